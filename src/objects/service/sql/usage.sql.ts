import { usageBlockMs, usageKeptMs, usageMinuteMs } from "../../../domain/limits.ts";
import type { BlockReading } from "../../../domain/usage/usage-blocks.ts";
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

/** Minutes that were there already have no sums by the hour. */
export const usageBlocksMigration: Migration = {
  name: "usage in blocks of eight hours",
  sql: `
    CREATE TABLE usage_blocks (
      block INTEGER NOT NULL, -- its beginning, in milliseconds since the epoch
      environment INTEGER NOT NULL, -- its seq: one that is made again has another
      hours TEXT, -- see src/domain/usage/usage-blocks.ts; before the minutes, which are long: a row is read up to what is wanted
      minutes TEXT NOT NULL,
      PRIMARY KEY (block, environment)
    ) WITHOUT ROWID;
    INSERT INTO usage_blocks (block, environment, minutes)
      SELECT minute - minute % 28800000, environment, group_concat(((minute % 28800000) / 60000) || '=' || counts, ';')
      FROM usage GROUP BY 1, 2;
    DROP TABLE usage;
    ALTER TABLE usage_blocks RENAME TO usage;
  `,
};

export type UsageRow = { block: number; environment: number; hours: string | null; minutes: string };

/** What happened in each environment. The time leads the key: old rows are deleted by it. */
export function usageReads(db: Pick<Database, "all" | "first">) {
  return {
    usageIn: (block: number, environment: number) =>
      db.first<Pick<UsageRow, "hours" | "minutes">>(
        "SELECT hours, minutes FROM usage WHERE block = ? AND environment = ?",
        block,
        environment,
      ),
    /** Of these environments, with the minutes where they are needed or there are no sums. */
    usageOf: (environments: readonly number[], blocks: readonly BlockReading[]) =>
      db.all<Omit<UsageRow, "minutes"> & { minutes: string | null }>(
        `SELECT usage.block, usage.environment, hours,
           CASE WHEN hours IS NULL OR json_extract(wanted.value, '$.needsMinutes') THEN minutes END AS minutes
         FROM json_each(?1) AS wanted CROSS JOIN json_each(?2) AS seq CROSS JOIN usage
         WHERE usage.block = json_extract(wanted.value, '$.block') AND usage.environment = seq.value`,
        JSON.stringify(blocks),
        JSON.stringify(environments),
      ),
  };
}
export type UsageReads = ReturnType<typeof usageReads>;

export function usageWrites(db: Pick<Database, "run">) {
  return {
    putUsage: (row: UsageRow) =>
      db.run(
        `INSERT INTO usage (block, environment, hours, minutes) VALUES (?, ?, ?, ?)
         ON CONFLICT (block, environment) DO UPDATE SET hours = excluded.hours, minutes = excluded.minutes`,
        row.block,
        row.environment,
        row.hours,
        row.minutes,
      ),
  };
}
export type UsageWrites = ReturnType<typeof usageWrites>;

/** The same, as they go: when nothing of a block is shown any more. */
export function usageExpiry(db: Pick<Database, "first" | "run">): ExpiringRows {
  const keptMs = usageKeptMs + usageBlockMs - usageMinuteMs;
  return {
    firstDue() {
      const first = db.first<{ block: number }>("SELECT block FROM usage ORDER BY block LIMIT 1");
      // A minute which began exactly so long ago is still shown.
      return first ? first.block + keptMs + 1 : null;
    },
    deleteDue: (now, atOnce) =>
      db.run(
        `DELETE FROM usage WHERE (block, environment) IN (
           SELECT block, environment FROM usage WHERE block < ? ORDER BY block LIMIT ?)`,
        now - keptMs,
        atOnce,
      ),
  };
}
