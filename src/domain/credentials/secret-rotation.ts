import { earliest } from "../deliveries/retry.ts";
import { secretRotationOverlapMs } from "../limits.ts";

/** One of the secrets that sign a cluster's webhooks. `validUntil` in milliseconds since the epoch, null for good. */
export interface SigningSecret {
  secret: string;
  validUntil: number | null;
}

/**
 * The secrets that sign once a new one is there: it and, for the overlap, the one that was the newest. At most two
 * sign, so that one which was itself in its overlap stops at once.
 * @param secrets newest first
 * @param secret the new one
 * @param now milliseconds since the epoch, as in all of these
 * @returns newest first
 */
export function rotatedSecrets(
  secrets: readonly SigningSecret[],
  secret: string,
  now: number,
): SigningSecret[] {
  const previous = goodSecrets(secrets, now)
    .slice(0, 1)
    .map((newest) => ({ secret: newest.secret, validUntil: now + secretRotationOverlapMs }));
  return [{ secret, validUntil: null }, ...previous];
}

/** Those that are not over at `now`. */
export function goodSecrets(secrets: readonly SigningSecret[], now: number): SigningSecret[] {
  return secrets.filter(({ validUntil }) => validUntil === null || validUntil > now);
}

/** When the next of them is over, in milliseconds since the epoch; null where all are good for good. */
export function nextSecretEnd(secrets: readonly SigningSecret[]): number | null {
  return earliest(secrets.map(({ validUntil }) => validUntil));
}
