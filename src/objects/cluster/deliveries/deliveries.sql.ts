import type { AttemptBatch } from "../../../domain/deliveries/delivery-log.ts";
import type { Database, Migration } from "../../database.ts";

/** A batch of attempts is one row: rows are the price, and a log is read as a whole. */
export const deliveriesMigration: Migration = {
  name: "the log of deliveries",
  sql: `
    CREATE TABLE delivery_attempts (
      seq INTEGER PRIMARY KEY,
      registration INTEGER NOT NULL,
      service TEXT, -- null: the account itself
      at INTEGER NOT NULL,
      attempts INTEGER NOT NULL,
      list TEXT NOT NULL -- JSON: LoggedAttempt[]
    );
  `,
};

export type AttemptsRow = { service: string | null; list: string };

export function deliveriesSql(db: Database) {
  return {
    /** Newest first. */
    batches: () =>
      db.all<Pick<AttemptBatch, "seq" | "at" | "attempts">>(
        "SELECT seq, at, attempts FROM delivery_attempts ORDER BY seq DESC",
      ),
    oldestAt: () =>
      db.first<{ at: number }>("SELECT at FROM delivery_attempts ORDER BY seq LIMIT 1")?.at ?? null,
    newestRegistration: () =>
      db.first<{ registration: number | null }>(
        "SELECT max(registration) AS registration FROM delivery_attempts",
      )?.registration ?? null,
    attemptsOf: (registration: number) =>
      db.all<AttemptsRow>(
        "SELECT service, list FROM delivery_attempts WHERE registration = ? ORDER BY seq",
        registration,
      ),
    insertBatch: (row: AttemptsRow & { registration: number; at: number; attempts: number }) =>
      db.run(
        "INSERT INTO delivery_attempts (registration, service, at, attempts, list) VALUES (?, ?, ?, ?, ?)",
        row.registration,
        row.service,
        row.at,
        row.attempts,
        row.list,
      ),
    deleteRegistrationsBefore: (registration: number) =>
      db.run("DELETE FROM delivery_attempts WHERE registration < ?", registration),
    deleteBatches: (seqs: readonly number[]) =>
      db.run(
        "DELETE FROM delivery_attempts WHERE seq IN (SELECT value FROM json_each(?))",
        JSON.stringify(seqs),
      ),
  };
}
