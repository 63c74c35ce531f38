import type { GateAnswer } from "../../protocol/v3/deploys.ts";
import type { Outcome } from "../outcome.ts";
import { waitingText } from "./gates.ts";
import type { Progress } from "./progress.ts";

const firstPauseMs = 2000;
/** What was waited for may fail, or what waits may be overtaken: nobody learns of that later than this. */
const longestPauseMs = 15_000;
/** Where a clock is ahead of Slipway's, and its time seems to have come. */
const shortestPauseMs = 500;

/**
 * Attempts something until gates do not keep it any more from being done: until it is done, or fails in another way. A gate that
 * failed is such a way.
 * @returns the last outcome, which is `not_yet` where the time was over
 */
export async function untilMet<T>(
  attempt: () => Promise<Outcome<T>>,
  { timeoutSeconds, progress }: { timeoutSeconds: number; progress: Progress },
): Promise<Outcome<T>> {
  const endsAt = performance.now() + timeoutSeconds * 1000;
  try {
    for (let attempts = 1; ; attempts++) {
      const outcome = await attempt();
      if (outcome.ok || outcome.failure.kind !== "not_yet") return outcome;
      const leftMs = endsAt - performance.now();
      if (leftMs <= 0) return outcome;
      const { gates } = outcome.failure;
      progress.show(waitingText(gates));
      const pauseMs = Math.min(pauseBefore(gates, attempts, Date.now()), leftMs);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  } finally {
    progress.end();
  }
}

/**
 * How long to wait before the next attempt, in milliseconds: until the last gate with a known time is met, else a little longer each
 * time; 15 s at most.
 * @param attempts that were made
 * @param now milliseconds since the epoch
 */
export function pauseBefore(gates: readonly GateAnswer[], attempts: number, now: number): number {
  const times = gates.flatMap(({ state, passes_at: at }) =>
    state === "pending" && at !== undefined ? [Date.parse(at)] : [],
  );
  const untilAll = Math.max(...times, now) - now;
  const pauseMs = untilAll > 0 ? Math.max(untilAll, shortestPauseMs) : firstPauseMs * 1.5 ** (attempts - 1);
  return Math.min(pauseMs, longestPauseMs);
}
