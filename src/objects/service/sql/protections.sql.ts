import type { Database, Migration } from "../../database.ts";

/**
 * Kept by triggers, so that no statement can forget it: what an environment protects is a rule of many revisions
 * (`resolvedRevisionsProtected`), and is looked for by a digest. What environments are pinned to is looked for in memory.
 */
export const protectionsMigration: Migration = {
  name: "which environments protect a digest",
  sql: `
    DROP INDEX environments_image;
    CREATE TABLE protections (
      digest TEXT NOT NULL,
      environment INTEGER NOT NULL,
      revision INTEGER NOT NULL, -- the last of its revisions that resolved to it
      chosen INTEGER, -- the last of these that somebody chose, which may be kept no more; null: none
      PRIMARY KEY (digest, environment)
    ) WITHOUT ROWID;
    INSERT INTO protections (digest, environment, revision, chosen)
      SELECT digest, environment, max(revision), max(CASE WHEN is_chosen THEN revision END)
        FROM (SELECT digest, environment, revision, kind NOT IN ('push', 'follow') AS is_chosen,
                row_number() OVER (PARTITION BY environment ORDER BY revision DESC) AS place,
                row_number() OVER (PARTITION BY environment, kind NOT IN ('push', 'follow')
                                   ORDER BY revision DESC) AS place_of_kind
              FROM revisions)
        WHERE digest IS NOT NULL GROUP BY digest, environment
        HAVING min(place) <= 20 OR min(CASE WHEN is_chosen THEN place_of_kind END) <= 20;
    -- A revision moves one out of the last 20, and one that is chosen another out of the last 20 that are.
    CREATE TRIGGER revision_protects AFTER INSERT ON revisions BEGIN
      INSERT INTO protections (digest, environment, revision, chosen)
        SELECT new.digest, new.environment, new.revision,
               CASE WHEN new.kind NOT IN ('push', 'follow') THEN new.revision END
          WHERE new.digest IS NOT NULL
        ON CONFLICT (digest, environment) DO UPDATE
        SET revision = excluded.revision, chosen = coalesce(excluded.chosen, chosen);
      DELETE FROM protections
        WHERE digest IN (
            SELECT digest FROM revisions WHERE environment = new.environment AND revision = new.revision - 20
            UNION ALL
            SELECT digest FROM (
              SELECT digest FROM revisions
                WHERE environment = new.environment AND kind NOT IN ('push', 'follow')
                  AND new.kind NOT IN ('push', 'follow')
                ORDER BY revision DESC LIMIT 1 OFFSET 20))
          AND environment = new.environment
          AND revision <= new.revision - 20
          AND (chosen IS NULL OR chosen <= new.revision - 1000 OR chosen < (
            SELECT revision FROM revisions
              WHERE environment = new.environment AND kind NOT IN ('push', 'follow')
              ORDER BY revision DESC LIMIT 1 OFFSET 19));
    END;
    -- Of an environment that is deleted all go; else it is the first of a thousand.
    CREATE TRIGGER revision_forgotten AFTER DELETE ON revisions BEGIN
      DELETE FROM protections
        WHERE digest = old.digest AND environment = old.environment
          AND revision <= old.revision + 1000 - 20 AND coalesce(chosen, 0) <= old.revision;
    END;
  `,
};

/**
 * What may be returned to: the last 20 digests that an environment resolved to, and the last 20 that somebody chose for it, however often it
 * changed between them. Both numbers are `returnableDigestsKept`.
 */
export const distinctDigestsMigration: Migration = {
  name: "the last distinct digests of environments",
  sql: `
    DROP TRIGGER revision_protects;
    DROP TRIGGER revision_forgotten;
    DROP TABLE protections;
    DROP INDEX revisions_chosen;
    CREATE TABLE protections (
      digest TEXT NOT NULL,
      environment INTEGER NOT NULL,
      first INTEGER NOT NULL, -- the first of its revisions that resolved to it, since it is kept
      revision INTEGER NOT NULL, -- the last
      chosen INTEGER, -- the last of these that somebody chose; null: none that is kept
      PRIMARY KEY (digest, environment)
    ) WITHOUT ROWID;
    CREATE INDEX protections_environment ON protections (environment);
    INSERT INTO protections (digest, environment, first, revision, chosen)
      SELECT digest, environment, first, last, chosen
        FROM (SELECT *, row_number() OVER (PARTITION BY environment ORDER BY last DESC) AS place,
                row_number() OVER (PARTITION BY environment ORDER BY chosen DESC NULLS LAST) AS place_chosen
              FROM (SELECT digest, environment, min(revision) AS first, max(revision) AS last,
                      max(CASE WHEN kind NOT IN ('push', 'follow') THEN revision END) AS chosen
                    FROM revisions WHERE digest IS NOT NULL GROUP BY digest, environment))
        WHERE place <= 20 OR (chosen IS NOT NULL AND place_chosen <= 20);
    CREATE TRIGGER revision_protects AFTER INSERT ON revisions BEGIN
      INSERT INTO protections (digest, environment, first, revision, chosen)
        SELECT new.digest, new.environment, new.revision, new.revision,
               CASE WHEN new.kind NOT IN ('push', 'follow') THEN new.revision END
          WHERE new.digest IS NOT NULL
        ON CONFLICT (digest, environment) DO UPDATE
        SET revision = excluded.revision, chosen = coalesce(excluded.chosen, chosen);
      DELETE FROM protections
        WHERE environment = new.environment
          AND (SELECT count(*) FROM protections WHERE environment = new.environment) > 20
          AND revision < (SELECT min(revision) FROM (
            SELECT revision FROM protections WHERE environment = new.environment
              ORDER BY revision DESC LIMIT 20))
          AND (chosen IS NULL OR chosen < (SELECT min(chosen) FROM (
            SELECT chosen FROM protections WHERE environment = new.environment AND chosen IS NOT NULL
              ORDER BY chosen DESC LIMIT 20)));
    END;
    CREATE TRIGGER revision_forgotten AFTER DELETE ON revisions BEGIN
      DELETE FROM protections
        WHERE digest = old.digest AND environment = old.environment AND revision <= old.revision;
      UPDATE protections SET chosen = NULL
        WHERE digest = old.digest AND environment = old.environment AND chosen <= old.revision;
    END;
  `,
};

export type ProtectionRow = { environment: number; digest: string; first: number; revision: number };

/** Which digests environments keep from being deleted, for a return to them. */
export function protectionsReads(db: Pick<Database, "all" | "first">) {
  return {
    /** Environments that a digest may be returned to in, the oldest first. */
    protecting: (digest: string, limit: number) =>
      db.all<ProtectionRow>(
        `SELECT environment, digest, first, revision FROM protections
         WHERE digest = ? ORDER BY environment LIMIT ?`,
        digest,
        limit,
      ),
    protectionOf: (environment: number, digest: string) =>
      db.first<ProtectionRow>(
        `SELECT environment, digest, first, revision FROM protections WHERE digest = ? AND environment = ?`,
        digest,
        environment,
      ),
  };
}
export type ProtectionsReads = ReturnType<typeof protectionsReads>;
