import { jittered } from "../domain/deliveries/retry.ts";

/**
 * How long to wait after the `attempts`th failure (1, 2, …): doubling up to the longest, spread by ±20 %.
 * @param random in [0, 1)
 */
export function backoffMs(attempts: number, limits: { firstMs: number; longestMs: number }, random: number) {
  return jittered(Math.min(limits.firstMs * 2 ** (attempts - 1), limits.longestMs), random);
}
