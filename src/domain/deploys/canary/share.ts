import { murmurHash } from "./murmur-hash.ts";

/**
 * Whether a spawn with a key goes to the canary of a rollout. The answer for a key is always the same: raising the
 * percentage only adds keys to the canary's, and lowering it only takes some away. Another rollout has others.
 * @param percent 0 (no key) to 100 (every key); 0.01 of it can be told apart, and much less
 * @example belongsToCanary(rolloutId, "my-document", 10)
 */
export function belongsToCanary(rolloutId: string, key: string, percent: number): boolean {
  return drawsCanary(murmurHash(key, murmurHash(rolloutId, 0)) / 2 ** 32, percent);
}

/** Whether a spawn without a key goes to the canary. @param random in [0, 1) @param percent as above */
export function drawsCanary(random: number, percent: number): boolean {
  return random < percent / 100;
}
