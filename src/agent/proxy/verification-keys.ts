import { jwksMaxBytes } from "../../domain/limits.ts";
import { fetchAnswer, readJson } from "../../protocol/remote-answer.ts";
import { type Jwks, jwks } from "../../protocol/tokens/connection-token.ts";
import type { AgentClock } from "../clock.ts";
import { type Log, messageOf } from "../log.ts";

export interface VerificationKeys {
  /** The cached public keys, by identity while they are unchanged; null while there are none. */
  current(): Jwks | null;
  /** The public keys to verify with, renewed if `kid` is not among them; null while there are none to be had. */
  forKeyId(kid: string | undefined): Promise<Jwks | null>;
}

/** Keeps Slipway's JWKS, so that connections are verified without a call to Slipway. */
export function verificationKeys(options: { apiUrl: string; clock: AgentClock; log: Log }): VerificationKeys {
  const { clock, log } = options;
  const url = `${options.apiUrl.replace(/\/+$/, "")}/.well-known/jwks.json`;
  let keys: Jwks | null = null;
  let fetchedAt = Number.NEGATIVE_INFINITY;
  let fetching: Promise<void> | null = null;

  async function fetchKeys(): Promise<void> {
    try {
      const signal = AbortSignal.timeout(clock.callTimeoutMs);
      const response = await fetchAnswer(url, { signal });
      if (!response.ok) {
        await response.body?.cancel();
        throw new Error(`${url} answered ${response.status}`);
      }
      const fetched = jwks.parse(await readJson(response, { maxBytes: jwksMaxBytes, signal }));
      if (JSON.stringify(fetched) !== JSON.stringify(keys)) keys = fetched;
    } catch (error) {
      log("jwks.failed", { error: messageOf(error) });
    }
    fetchedAt = performance.now();
  }

  /** One fetch at a time, which all who need one share. */
  function renew(): Promise<void> {
    fetching ??= fetchKeys().finally(() => {
      fetching = null;
    });
    return fetching;
  }

  const ageMs = () => performance.now() - fetchedAt;

  /** Refreshes periodically, so that a withdrawn key stops being accepted even without an unknown key id. */
  function renewIfOld(): void {
    if (keys && ageMs() >= clock.jwksMaxAgeMs) void renew();
  }

  return {
    current() {
      renewIfOld();
      return keys;
    },
    async forKeyId(kid) {
      if (!keys) {
        await renew();
        return keys;
      }
      const isKnown = keys.keys.some((key) => key.kid === kid);
      if (!isKnown && ageMs() >= clock.jwksRefetchAfterMs) await renew();
      else renewIfOld();
      return keys;
    },
  };
}
