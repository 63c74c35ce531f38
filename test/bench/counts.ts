import { z } from "zod";

/** What the metered Worker (worker/metered.ts) has counted since it started. */
export const counts = z.object({
  workerRequests: z.int(),
  /** `Service.connectBackend`, `Service.alarm`, …: each is a request to a Durable Object. */
  objectCalls: z.record(z.string(), z.int()),
  /** By statement: `Service: INSERT INTO backends`, … */
  rowsRead: z.record(z.string(), z.int()),
  /** By statement; `setAlarm` is one row. */
  rowsWritten: z.record(z.string(), z.int()),
  /** How long it is until each alarm that is set will fire. */
  pendingAlarmsMs: z.array(z.number()),
});
export type Counts = z.infer<typeof counts>;

/** What a shard used to forget ended backends. */
export const forgotten = z.object({
  /** How many rows it keeps. */
  kept: z.int(),
  forgotten: z.int(),
  rowsRead: z.int(),
  /** `setAlarm` among them. */
  rowsWritten: z.int(),
});
export type Forgotten = z.infer<typeof forgotten>;

/** What one life used: the mean, where there were several. */
export interface Usage {
  workerRequests: number;
  /** Including alarms that will fire after the life has ended. */
  objectRequests: number;
  rowsRead: number;
  rowsWritten: number;
  objectCalls: Record<string, number>;
  rowsReadBy: Record<string, number>;
  rowsWrittenBy: Record<string, number>;
}

/** A period, as the counts at its two ends. */
export interface Stretch {
  from: Counts;
  to: Counts;
}

/** What was counted in some periods, for each of `lives`. */
export function usageIn(stretches: readonly Stretch[], lives: number): Usage {
  const perLife = (totals: (counts: Counts) => Record<string, number>) =>
    difference(stretches, lives, totals);
  const objectCalls = perLife((counts) => ({
    ...counts.objectCalls,
    "alarms still to ring": counts.pendingAlarmsMs.length,
  }));
  const rowsReadBy = perLife(({ rowsRead }) => rowsRead);
  const rowsWrittenBy = perLife(({ rowsWritten }) => rowsWritten);
  return {
    workerRequests: sum(perLife(({ workerRequests }) => ({ workerRequests }))),
    objectRequests: sum(objectCalls),
    rowsRead: sum(rowsReadBy),
    rowsWritten: sum(rowsWrittenBy),
    objectCalls,
    rowsReadBy,
    rowsWrittenBy,
  };
}

function difference(
  stretches: readonly Stretch[],
  lives: number,
  totals: (counts: Counts) => Record<string, number>,
): Record<string, number> {
  const result: Record<string, number> = {};
  for (const { from, to } of stretches) {
    const before = totals(from);
    for (const [name, value] of Object.entries(totals(to))) {
      const used = (value - (before[name] ?? 0)) / lives;
      if (used !== 0) result[name] = (result[name] ?? 0) + used;
    }
  }
  return result;
}

function sum(numbers: Record<string, number>): number {
  return Object.values(numbers).reduce((total, value) => total + value, 0);
}
