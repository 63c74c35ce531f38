import { table } from "../table.ts";
import { rowsReadPerForgotten } from "./forgetting.ts";
import { goals } from "./goals.ts";
import type { Scale } from "./measure.ts";
import { residentMaxMb } from "./sessions.ts";

/** What each request costs in both states, for people. */
export function scaleTable({ rows, forgetting, sessions }: Scale): string {
  const residentMb = sessions.residentBytes / 1e6;
  const readEach = forgetting.rowsRead / forgetting.forgotten;
  const missed = rows.filter((row) => row.missed.length > 0).length;
  return [
    table([
      ["request", "cpu ms small", "large", "ratio", "rows read small", "large", "misses"],
      ...rows.map(({ request, small, large, ratio, missed }) => [
        request,
        ...[small.cpuMs.toFixed(2), large.cpuMs.toFixed(2), ratio.toFixed(2)],
        ...[small.rowsRead.toFixed(0), large.rowsRead.toFixed(0)],
        missed.join(", "),
      ]),
    ]),
    `aim: a ratio of at most ${goals.ratio}, ${goals.rowsRead} rows read and ${goals.cpuMs} ms: ${missed === 0 ? "met" : `missed by ${missed} of ${rows.length}`}`,
    `${forgetting.forgotten} ended rows of a shard forgotten beside ${forgetting.kept} others: ${readEach.toFixed(2)} rows read and ${(forgetting.rowsWritten / forgetting.forgotten).toFixed(2)} written each; aim: at most ${rowsReadPerForgotten} read: ${readEach <= rowsReadPerForgotten + 0.1 ? "met" : "missed"}`,
    `memory of workerd once each of ${sessions.live} live backends was connected to: ${residentMb.toFixed(0)} MB, and ${(sessions.residentBytesOfFew / 1e6).toFixed(0)} MB after as many connects to a few, ${(sessions.residentBytesOfFloor / 1e6).toFixed(0)} MB after as many bare calls of the floor; aim: at most ${residentMaxMb}: ${residentMb <= residentMaxMb ? "met" : "missed"}`,
  ].join("\n");
}
