import { table } from "../table.ts";
import type { FirstByte } from "./measure.ts";
import { phases } from "./passage.ts";

/** From `connect` to the first byte and what of it each phase takes, for people. */
export function firstByteTable(results: readonly FirstByte[]): string {
  return table([
    [
      "connect to first byte; phases: p50 ms and share",
      ...["backends", "p50 ms", "p99 ms", ...phases, "connect answered"],
    ],
    ...results.map((result) => [
      `${result.runtime}: ${result.what}`,
      String(result.backends),
      result.p50Ms.toFixed(0),
      result.backends > 1 ? result.p99Ms.toFixed(0) : "-",
      ...result.phases.map(({ p50Ms, share }) => `${p50Ms.toFixed(0)} ${(share * 100).toFixed(0)}%`),
      result.answeredP50Ms.toFixed(0),
    ]),
  ]);
}
