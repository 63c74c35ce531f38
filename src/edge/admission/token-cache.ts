import { BoundedMap } from "../../domain/bounded-map.ts";
import { tokenCacheMs } from "../../domain/limits.ts";
import type { Identity } from "../../objects/contract.ts";

const cachedTokens = 10_000;

/** Authenticated tokens and sessions with their identities, cached in the isolate for at most `tokenCacheMs`. */
export class TokenCache {
  readonly #entries = new BoundedMap<{ identity: Identity; until: number }>(cachedTokens);
  readonly #now: () => number;

  /** @param now the isolate's clock, in milliseconds since the epoch */
  constructor(now: () => number) {
    this.#now = now;
  }

  /**
   * @param key the whole access token, since hashing it would cost every request a turn of the event loop; or what
   *   nobody can present as one, for a credential that is named without its secret
   */
  get(key: string): Identity | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    if (this.#now() < entry.until) return entry.identity;
    this.#entries.delete(key);
    return undefined;
  }

  set(key: string, identity: Identity): void {
    const until = Math.min(this.#now() + tokenCacheMs, identity.expiresAt ?? Number.POSITIVE_INFINITY);
    this.#entries.set(key, { identity, until });
  }

  /** Drops a revoked token with every session made from it, or an ended session. @param id of either */
  forget(account: string, id: string): void {
    this.#entries.deleteWhere(
      ({ identity }) =>
        identity.account === account && (identity.tokenId === id || identity.session?.id === id),
    );
  }
}
