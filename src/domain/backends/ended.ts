import { endedBackendsKeptMs, endedForgottenEveryMs } from "../limits.ts";

/** How soon the next batch follows one after which there is more to forget. */
const nextBatchMs = 1_000;

/**
 * When ended backends are to be forgotten next, after a batch of them was: seldom, so that it is not once for each.
 * @param firstEnd when the one that ended first did; null where there is none. Times in milliseconds since the epoch
 * @example forgetEndedAt(now - endedBackendsKeptMs + 1, now) // now + endedForgottenEveryMs
 */
export function forgetEndedAt(firstEnd: number | null, now: number): number | null {
  if (firstEnd === null) return null;
  const due = firstEnd + endedBackendsKeptMs;
  return due <= now ? now + nextBatchMs : Math.max(due, now + endedForgottenEveryMs);
}
