import {
  redeliveryJitter,
  spawnRedeliveryDelaysMs,
  terminateRedeliveryFirstMs,
  terminateRedeliveryLongestMs,
} from "../limits.ts";

/** Spreads a delay by ±20 %. @param random in [0, 1) */
export function jittered(delayMs: number, random: number): number {
  return Math.round(delayMs * (1 - redeliveryJitter + 2 * redeliveryJitter * random));
}

/**
 * How long to wait after the `attempts`th failure (1, 2, …): doubling up to the longest, and jittered.
 * @param random in [0, 1)
 */
export function backoffMs(
  attempts: number,
  limits: { firstMs: number; longestMs: number },
  random: number,
): number {
  return jittered(Math.min(limits.firstMs * 2 ** (attempts - 1), limits.longestMs), random);
}

/** How long to wait after the `attempts`th failed spawn delivery (1, 2, …), or null to give it up. */
export function spawnRedeliveryDelayMs(attempts: number, random: number, retryAfterMs = 0): number | null {
  const delay = spawnRedeliveryDelaysMs[attempts - 1];
  return delay === undefined ? null : Math.max(jittered(delay, random), retryAfterMs);
}

/** How long to wait after the `attempts`th failed delivery of anything else: doubling up to a longest. */
export function redeliveryDelayMs(attempts: number, random: number, retryAfterMs = 0): number {
  const limits = { firstMs: terminateRedeliveryFirstMs, longestMs: terminateRedeliveryLongestMs };
  return Math.max(backoffMs(attempts, limits, random), Math.min(retryAfterMs, limits.longestMs));
}

/** The alarm that an object needs: the earliest of the times, or null when nothing is due. */
export function earliest(times: Iterable<number | null | undefined>): number | null {
  let first: number | null = null;
  for (const time of times) {
    if (time !== null && time !== undefined && (first === null || time < first)) first = time;
  }
  return first;
}
