import { type Backoff, retryJitter, spawnRetryDelaysMs } from "../limits.ts";

/** Spreads a delay by `retryJitter` either way. @param random in [0, 1) */
export function jittered(delayMs: number, random: number): number {
  return Math.round(delayMs * (1 - retryJitter + 2 * retryJitter * random));
}

/**
 * How long to wait after the `attempts`th failed attempt at a spawn (1, 2, …), or null to give it up.
 * @param random in [0, 1)
 * @param retryAfterMs the least that the cluster has requested
 */
export function spawnRetryDelayMs(attempts: number, random: number, retryAfterMs = 0): number | null {
  const delay = spawnRetryDelaysMs[attempts - 1];
  return delay === undefined ? null : Math.max(jittered(delay, random), retryAfterMs);
}

/**
 * How long to wait after the `attempts`th failed attempt (1, 2, …) at what is paced by a backoff: twice as long each time,
 * up to the longest.
 * @example backoffDelayMs({ firstMs: 1000, longestMs: 300_000 }, 3, 0.5) // 4000
 * @param random in [0, 1)
 * @param retryAfterMs the least that the other side has requested, respected up to the longest delay
 */
export function backoffDelayMs(
  { firstMs, longestMs }: Backoff,
  attempts: number,
  random: number,
  retryAfterMs = 0,
): number {
  const delay = Math.min(firstMs * 2 ** (attempts - 1), longestMs);
  return Math.max(jittered(delay, random), Math.min(retryAfterMs, longestMs));
}

/** The earliest of times, for the one alarm that an object has; null where there is none. */
export function earliest(times: Iterable<number | null | undefined>): number | null {
  let first: number | null = null;
  for (const time of times) {
    if (time !== null && time !== undefined && (first === null || time < first)) first = time;
  }
  return first;
}
