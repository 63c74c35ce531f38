import type { Database, Migration } from "../../database.ts";

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

export type RevisionRow = {
  environment: number;
  revision: number;
  image: string;
  digest: string | null;
  kind: "create" | "pin";
  token_id: string;
  token_name: string;
  note: string | null;
  at: number;
};

/** What environments were pinned to. */
export function revisionsReads(db: Pick<Database, "all">) {
  return {
    revisionsBefore: (environment: number, revision: number, limit: number) =>
      db.all<RevisionRow>(
        "SELECT * FROM revisions WHERE environment = ? AND revision < ? ORDER BY revision DESC LIMIT ?",
        environment,
        revision,
        limit,
      ),
  };
}
export type RevisionsReads = ReturnType<typeof revisionsReads>;

export function revisionsWrites(db: Pick<Database, "run">) {
  return {
    /** @param kept how many of the environment's newest stay, with this one */
    insertRevision: (row: RevisionRow, kept: number) => {
      db.run(
        "DELETE FROM revisions WHERE environment = ? AND revision <= ?",
        row.environment,
        row.revision - kept,
      );
      db.run(
        `INSERT INTO revisions (environment, revision, image, digest, kind, token_id, token_name, note, at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        row.environment,
        row.revision,
        row.image,
        row.digest,
        row.kind,
        row.token_id,
        row.token_name,
        row.note,
        row.at,
      );
    },
  };
}
export type RevisionsWrites = ReturnType<typeof revisionsWrites>;
