import { expiredForgottenEveryMs } from "./limits.ts";

/** How soon the next batch follows one after which there is more that is past its keeping. */
const nextBatchMs = 1_000;

/**
 * When what is kept for a time is to be deleted next, after a batch of it was: seldom, so that an object does not wake for
 * each of them, and never early.
 * @param firstDue when the first of it is past its keeping; null where there is none. Times in milliseconds since the epoch
 * @example nextSweepAt(now + 1, now) // now + expiredForgottenEveryMs
 */
export function nextSweepAt(firstDue: number | null, now: number): number | null {
  if (firstDue === null) return null;
  return firstDue <= now ? now + nextBatchMs : Math.max(firstDue, now + expiredForgottenEveryMs);
}
