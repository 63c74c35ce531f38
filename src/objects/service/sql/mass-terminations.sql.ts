import type { Database, Migration } from "../../database.ts";

export const massTerminationsMigration: Migration = {
  name: "mass terminations",
  sql: `
    CREATE TABLE mass_terminations (
      seq INTEGER PRIMARY KEY,
      id TEXT NOT NULL,
      cause TEXT NOT NULL, -- request, service_deleted
      hard INTEGER NOT NULL,
      created_before INTEGER,
      environments TEXT, -- JSON: string[]; null: all
      created_at INTEGER NOT NULL,
      last_fencing_token INTEGER NOT NULL, -- of the backends that are meant
      total INTEGER NOT NULL,
      open INTEGER NOT NULL, -- some are still to be sent their termination
      finished_at INTEGER
    );
  `,
};

export type MassTerminationRow = {
  seq: number;
  id: string;
  cause: "request" | "service_deleted";
  hard: number;
  created_before: number | null;
  environments: string | null;
  created_at: number;
  last_fencing_token: number;
  total: number;
  open: number;
  finished_at: number | null;
};

export function massTerminationsReads(db: Pick<Database, "all" | "first">) {
  return {
    /** Newest first. */
    massTerminations: () => db.all<MassTerminationRow>("SELECT * FROM mass_terminations ORDER BY seq DESC"),
    openMassTerminations: () =>
      db.all<MassTerminationRow>("SELECT * FROM mass_terminations WHERE open = 1 ORDER BY seq"),
    /** The last backend of the service as it was before its last deletion; 0 where it was never deleted. */
    lastTokenOfDeleted: () =>
      db.first<{ token: number | null }>(
        "SELECT max(last_fencing_token) AS token FROM mass_terminations WHERE cause = 'service_deleted'",
      )?.token ?? 0,
  };
}
export type MassTerminationsReads = ReturnType<typeof massTerminationsReads>;

export function massTerminationsWrites(db: Pick<Database, "run">) {
  return {
    /** @param kept how many that are finished stay beside it */
    insertMassTermination: (row: Omit<MassTerminationRow, "seq" | "finished_at">, kept: number) => {
      db.run(
        `DELETE FROM mass_terminations WHERE finished_at IS NOT NULL AND seq NOT IN (
           SELECT seq FROM mass_terminations WHERE finished_at IS NOT NULL ORDER BY seq DESC LIMIT ?)`,
        kept,
      );
      db.run(
        `INSERT INTO mass_terminations
           (id, cause, hard, created_before, environments, created_at, last_fencing_token, total, open)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        row.id,
        row.cause,
        row.hard,
        row.created_before,
        row.environments,
        row.created_at,
        row.last_fencing_token,
        row.total,
        row.open,
      );
    },
    /** Has it mean backends up to a later one. */
    extendMassTermination: (id: string, lastFencingToken: number, total: number) =>
      db.run(
        "UPDATE mass_terminations SET last_fencing_token = ?, total = ?, open = 1 WHERE id = ?",
        lastFencingToken,
        total,
        id,
      ),
    /** All that are meant have been sent their termination. */
    closeMassTermination: (id: string) => db.run("UPDATE mass_terminations SET open = 0 WHERE id = ?", id),
    finishMassTermination: (id: string, at: number) =>
      db.run("UPDATE mass_terminations SET open = 0, finished_at = ? WHERE id = ?", at, id),
  };
}
export type MassTerminationsWrites = ReturnType<typeof massTerminationsWrites>;
