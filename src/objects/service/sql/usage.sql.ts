import { usageKeptMs } from "../../../domain/limits.ts";
import type { Database, Migration } from "../../database.ts";
import type { ExpiringRows } from "../../expiries.ts";

export const usageMigration: Migration = {
  name: "usage",
  sql: `
    CREATE TABLE usage (
      minute INTEGER NOT NULL, -- its beginning, in milliseconds since the epoch
      environment INTEGER NOT NULL, -- its seq: one that is made again has another
      counts TEXT NOT NULL, -- see src/domain/usage/usage.ts
      PRIMARY KEY (minute, environment)
    ) WITHOUT ROWID;
  `,
};

export type UsageRow = { minute: number; environment: number; counts: string };

/** What happened in each environment, by the minute. The minute leads the key: ranges are read, old rows deleted. */
export function usageReads(db: Pick<Database, "all" | "first">) {
  return {
    usageIn: (minute: number, environment: number) =>
      db.first<Pick<UsageRow, "counts">>(
        "SELECT counts FROM usage WHERE minute = ? AND environment = ?",
        minute,
        environment,
      )?.counts,
    /** From `from` on, before `to`. */
    usageBetween: (from: number, to: number) =>
      db.all<UsageRow>(
        "SELECT minute, environment, counts FROM usage WHERE minute >= ? AND minute < ?",
        from,
        to,
      ),
  };
}
export type UsageReads = ReturnType<typeof usageReads>;

export function usageWrites(db: Pick<Database, "run">) {
  return {
    putUsage: (row: UsageRow) =>
      db.run(
        `INSERT INTO usage (minute, environment, counts) VALUES (?, ?, ?)
         ON CONFLICT (minute, environment) DO UPDATE SET counts = excluded.counts`,
        row.minute,
        row.environment,
        row.counts,
      ),
  };
}
export type UsageWrites = ReturnType<typeof usageWrites>;

/** The same, as they go. */
export function usageExpiry(db: Pick<Database, "first" | "run">): ExpiringRows {
  return {
    firstDue() {
      const first = db.first<{ minute: number }>("SELECT minute FROM usage ORDER BY minute LIMIT 1");
      // That which began exactly so long ago is still shown.
      return first ? first.minute + usageKeptMs + 1 : null;
    },
    deleteDue: (now, atOnce) =>
      db.run(
        `DELETE FROM usage WHERE (minute, environment) IN (
           SELECT minute, environment FROM usage WHERE minute < ? ORDER BY minute LIMIT ?)`,
        now - usageKeptMs,
        atOnce,
      ),
  };
}
