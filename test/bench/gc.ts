import { spawnSync } from "node:child_process";
import { median } from "./statistics.ts";

/** How the garbage collector held up requests: pauses of all kinds. */
export interface GcPauses {
  /** For 10,000 requests. */
  count: number;
  /** Together, for 10,000 requests. */
  totalMs: number;
  longestMs: number;
}

/** No pause is to be longer. */
export const longestPauseAimMs = 20;

/**
 * V8 prints its pauses as lines of workerd's output, which are late where that goes through a pipe: `stdbuf` of the
 * GNU coreutils has them come as they are printed. Null where there is none: then pauses are not known.
 */
export const lineBuffered: readonly string[] | null =
  spawnSync("stdbuf", ["--version"]).error === undefined ? ["stdbuf", "-oL"] : null;

/** For `v8Flags`: a line for each pause, which costs next to nothing. */
export const traceFlag = "--trace-gc";

/** The pause that a line of `--trace-gc` is about, in milliseconds; null for any other line. */
export function pauseOf(line: string): number | null {
  const [, ms] = /^\[\d+:0x[0-9a-f]+\] +\d+ ms: .* MB, ([\d.]+) \/ [\d.]+ ms/.exec(line) ?? [];
  return ms === undefined ? null : Number(ms);
}

/** Sums pauses up. @param requests how many were sent meanwhile */
export function gcPauses(pausesMs: readonly number[], requests: number): GcPauses {
  const per10k = (amount: number) => (amount / requests) * 10_000;
  return {
    count: per10k(pausesMs.length),
    totalMs: per10k(pausesMs.reduce((total, ms) => total + ms, 0)),
    longestMs: Math.max(0, ...pausesMs),
  };
}

/** Of several rounds: the medians, and the longest pause of all. */
export function overRounds(rounds: readonly GcPauses[]): GcPauses {
  return {
    count: median(rounds.map(({ count }) => count)),
    totalMs: median(rounds.map(({ totalMs }) => totalMs)),
    longestMs: Math.max(...rounds.map(({ longestMs }) => longestMs)),
  };
}
