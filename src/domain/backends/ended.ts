import { endedBackendsKeptMs, endedBacklogEveryMs, endedForgottenEveryMs } from "../limits.ts";

/**
 * When ended backends are to be forgotten next, after a batch of them was: seldom, so that it is not once for each, also while more are due.
 * @param firstEnd when the one that ended first did; null where there is none. Times in milliseconds since the epoch
 * @example forgetEndedAt(now - endedBackendsKeptMs + 1, now) // now + endedForgottenEveryMs
 */
export function forgetEndedAt(firstEnd: number | null, now: number): number | null {
  if (firstEnd === null) return null;
  const due = firstEnd + endedBackendsKeptMs;
  return due <= now ? now + endedBacklogEveryMs : Math.max(due, now + endedForgottenEveryMs);
}
