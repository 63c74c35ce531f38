import { tokenCacheMs } from "../domain/limits.ts";
import type { Identity } from "../objects/contract.ts";
import { BoundedMap } from "./bounded-map.ts";

const cachedTokens = 10_000;

/** Positive answers to "whose token is this?", kept in the isolate for at most `tokenCacheMs`. */
export class TokenCache {
  readonly #entries = new BoundedMap<{ identity: Identity; until: number }>(cachedTokens);
  readonly #now: () => number;

  /** @param now the isolate's clock, in milliseconds since the epoch */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** @param tokenHash names the whole token without holding its secret */
  get(tokenHash: string): Identity | undefined {
    const entry = this.#entries.get(tokenHash);
    if (!entry) return undefined;
    if (this.#now() < entry.until) return entry.identity;
    this.#entries.delete(tokenHash);
    return undefined;
  }

  set(tokenHash: string, identity: Identity): void {
    const until = Math.min(this.#now() + tokenCacheMs, identity.expiresAt ?? Number.POSITIVE_INFINITY);
    this.#entries.set(tokenHash, { identity, until });
  }
}
