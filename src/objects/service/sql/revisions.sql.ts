import type { RevisionKind } from "../../../domain/pins/revision.ts";
import type { Database, Migration } from "../../database.ts";
import { keyset } from "../../keyset.sql.ts";
import type { Position } from "../../page.ts";
import type { EnvironmentRow } from "./service.sql.ts";

export const boundsMigration: Migration = {
  name: "bounds of revisions and pushes",
  sql: `
    ALTER TABLE service ADD COLUMN last_environment INTEGER NOT NULL DEFAULT 0; -- the greatest seq of a deleted one
    UPDATE service SET last_environment = coalesce((SELECT max(environment) FROM revisions), 0);
    DELETE FROM revisions WHERE environment NOT IN (SELECT seq FROM environments);
    DELETE FROM revisions
      WHERE revision <= (SELECT e.revision FROM environments e WHERE e.seq = revisions.environment) - 1000;
    DELETE FROM pushes WHERE seq <= (SELECT max(seq) FROM pushes) - 1000;
    CREATE INDEX releases_at ON releases (at);
  `,
};

/** Pins and pushes moved environments without a trace before: those that stand elsewhere now get a revision for it. */
export const resolvedDigestsMigration: Migration = {
  name: "what environments resolve to",
  sql: `
    ALTER TABLE environments ADD COLUMN digest TEXT; -- null while nothing was pushed that the pin could mean
    UPDATE environments SET digest = CASE WHEN image LIKE '%:%'
      THEN (SELECT i.digest FROM images i WHERE i.digest = environments.image)
      ELSE (SELECT t.digest FROM tags t WHERE t.tag = environments.image) END;
    CREATE INDEX environments_image ON environments (image);
    UPDATE environments SET revision = revision + 1
      WHERE digest IS NOT NULL AND digest IS NOT (
        SELECT r.digest FROM revisions r WHERE r.environment = environments.seq AND r.revision = environments.revision);
    INSERT INTO revisions (environment, revision, image, digest, kind, token_id, token_name, at)
      SELECT e.seq, e.revision, e.image, e.digest, 'push', '', '', coalesce(i.pushed_at, e.created_at)
        FROM environments e LEFT JOIN images i ON i.digest = e.digest
        WHERE NOT EXISTS (SELECT 1 FROM revisions r WHERE r.environment = e.seq AND r.revision = e.revision);
    CREATE INDEX revisions_chosen ON revisions (environment, revision) WHERE kind NOT IN ('push', 'follow');
    ALTER TABLE service ADD COLUMN revision_floor INTEGER NOT NULL DEFAULT 0; -- of names that are not kept below
    CREATE TABLE former_environments ( -- deleted ones, whose numbers are not given again
      name TEXT PRIMARY KEY,
      revision INTEGER NOT NULL, -- the last one
      seq INTEGER NOT NULL UNIQUE -- in the order of their deletions
    ) WITHOUT ROWID;
  `,
};

/** Announced without a row of their own: by the environments' rows, and one number for all (`../pins/announcements.ts`). */
export const movesMigration: Migration = {
  name: "which moves of environments are announced",
  sql: `
    -- The number of the last move to another digest: its time, or one more than that of the move before.
    ALTER TABLE environments ADD COLUMN moved_at INTEGER NOT NULL DEFAULT 0;
    -- What that is announced with.
    ALTER TABLE environments ADD COLUMN registry_host TEXT NOT NULL DEFAULT '';
    -- The move up to which all are announced.
    ALTER TABLE service ADD COLUMN announced_until INTEGER NOT NULL DEFAULT 0;
  `,
};

export type RevisionRow = {
  environment: number;
  revision: number;
  image: string;
  digest: string | null;
  kind: RevisionKind;
  /** Empty, with the name, where it is not known whose token it was. */
  token_id: string;
  token_name: string;
  note: string | null;
  at: number;
  /** Whether it met its environment's gates, or was forced past them; null where there were none. */
  gates: "passed" | "forced" | null;
  /** Of a promotion: the environment that it came from. */
  source: string | null;
  /** Of a rollback: the tag that was followed until then. */
  unfollowed: string | null;
};

/** What environments resolved to. */
export function revisionsReads(db: Pick<Database, "all" | "first">) {
  return {
    revisionsBefore: (environment: number, revision: number, limit: number) =>
      db.all<RevisionRow>(
        "SELECT * FROM revisions WHERE environment = ? AND revision < ? ORDER BY revision DESC LIMIT ?",
        environment,
        revision,
        limit,
      ),
    revisionsBeyond: (environment: number, { key, leadsBack }: Position<number>, limit: number) => {
      const { past, order } = keyset("revision", leadsBack);
      return db.all<RevisionRow>(
        `SELECT * FROM revisions WHERE environment = ?2 AND ${past} ORDER BY ${order} LIMIT ?3`,
        key,
        environment,
        limit,
      );
    },
    /** The last revision that an environment of this name has had, or may have had. */
    formerRevision: (name: string) =>
      db.first<{ revision: number }>(
        `SELECT coalesce((SELECT revision FROM former_environments WHERE name = ?),
                         (SELECT revision_floor FROM service)) AS revision`,
        name,
      )?.revision ?? 0,
  };
}
export type RevisionsReads = ReturnType<typeof revisionsReads>;

type PinColumn =
  | "image"
  | "digest"
  | "revision"
  | "moved_at"
  | "registry_host"
  | "stay"
  | "since"
  | "followed";

/**
 * The writes of the same.
 * @param environmentChanged called with the environment that a statement writes, and its columns
 * @param heldChanged called where what the account's quotas count may change: notes
 */
export function revisionsWrites(
  db: Pick<Database, "all" | "run">,
  environmentChanged: (name: string, columns: Partial<EnvironmentRow>) => void,
  heldChanged: () => void,
) {
  return {
    setPin: (row: Pick<EnvironmentRow, "seq" | "name" | PinColumn>) => {
      const { image, digest, revision, moved_at, registry_host, stay, since, followed } = row;
      environmentChanged(row.name, {
        image,
        digest,
        revision,
        moved_at,
        registry_host,
        stay,
        since,
        followed,
      });
      db.run(
        `UPDATE environments SET image = ?, digest = ?, revision = ?, moved_at = ?, registry_host = ?, stay = ?,
           since = ?, followed = ? WHERE seq = ?`,
        image,
        digest,
        revision,
        moved_at,
        registry_host,
        stay,
        since,
        followed,
        row.seq,
      );
    },
    /** @param kept how many of the environment's newest stay, with this one */
    insertRevision: (row: RevisionRow, kept: number) => {
      if (row.note !== null) heldChanged();
      if (row.revision > kept) {
        const dropped = db.all<{ note: string | null }>(
          "DELETE FROM revisions WHERE environment = ? AND revision <= ? RETURNING note",
          row.environment,
          row.revision - kept,
        );
        if (dropped.some(({ note }) => note !== null)) heldChanged();
      }
      db.run(
        `INSERT INTO revisions
           (environment, revision, image, digest, kind, token_id, token_name, note, at, gates, source, unfollowed)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        row.environment,
        row.revision,
        row.image,
        row.digest,
        row.kind,
        row.token_id,
        row.token_name,
        row.note,
        row.at,
        row.gates,
        row.source,
        row.unfollowed,
      );
    },
    /**
     * Remembers the last revision of environments that are about to be deleted.
     * @param name null: of all that there are
     * @param kept how many names stay; of the others, the highest revision does
     */
    rememberRevisions: (name: string | null, kept: number) => {
      const which = name === null ? "true" : "name = ?";
      db.run(
        `INSERT INTO former_environments (name, revision, seq)
         SELECT name, revision, (SELECT coalesce(max(seq), 0) FROM former_environments)
                                + row_number() OVER (ORDER BY environments.seq)
           FROM environments WHERE ${which}
         ON CONFLICT (name) DO UPDATE SET revision = excluded.revision, seq = excluded.seq`,
        ...(name === null ? [] : [name]),
      );
      const beyond = "seq <= (SELECT max(seq) FROM former_environments) - ?1";
      db.run(
        `UPDATE service SET revision_floor =
           max(revision_floor, (SELECT coalesce(max(revision), 0) FROM former_environments WHERE ${beyond}))
         WHERE EXISTS (SELECT 1 FROM former_environments WHERE ${beyond})`,
        kept,
      );
      db.run(`DELETE FROM former_environments WHERE ${beyond}`, kept);
    },
  };
}
export type RevisionsWrites = ReturnType<typeof revisionsWrites>;
