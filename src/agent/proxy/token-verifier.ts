import { decodeProtectedHeader } from "jose";
import { fail, ok, type Result } from "../../domain/result.ts";
import { connectionSecret } from "../../protocol/tokens/connection-secret.ts";
import { type Jwks, verifyConnectionToken } from "../../protocol/tokens/connection-token.ts";
import { verifiedHeaders } from "../../protocol/verified-headers.ts";
import type { FlatHeaders } from "./headers.ts";
import type { VerificationKeys } from "./verification-keys.ts";

export interface TokenVerifier {
  /**
   * Checks that a token is good for a backend: `unauthorized`, or `unavailable` while there are no keys to check with.
   * @param spawnSecret the `secret_token` of the backend's spawn
   * @returns the headers that say to the backend who connects, but for `x-verified-path`
   */
  verify(token: string, backendId: string, spawnSecret: string): Promise<Result<FlatHeaders>>;
}

interface Verified {
  backendId: string;
  expiresAtMs: number;
  headers: FlatHeaders;
}

/** The most tokens that are remembered, and the longest: together they bound what is kept in memory. */
const rememberAtMostByDefault = 4096;
const rememberedTokenLength = 4096;

/**
 * Verifies connection tokens of a cluster offline. A token found good is remembered until it expires or the keys
 * change: its claims and its signature stay what they are.
 */
export function tokenVerifier(options: {
  account: string;
  cluster: string;
  keys: VerificationKeys;
  rememberAtMost?: number;
}): TokenVerifier {
  const { account, cluster, keys, rememberAtMost = rememberAtMostByDefault } = options;
  const remembered = new Map<string, Verified>();
  let rememberedFor: Jwks | null = null;

  /** Empty if the keys are others than those that it was filled with. */
  function memory(current: Jwks | null): Map<string, Verified> {
    if (current !== rememberedFor) {
      remembered.clear();
      rememberedFor = current;
    }
    return remembered;
  }

  function remember(token: string, verified: Verified, verifiedWith: Jwks): void {
    if (token.length > rememberedTokenLength) return;
    const memories = memory(verifiedWith);
    const [oldest] = memories.size < rememberAtMost ? [] : memories.keys();
    if (oldest !== undefined) memories.delete(oldest);
    memories.set(token, verified);
  }

  return {
    async verify(token, backendId, spawnSecret) {
      const known = memory(keys.current()).get(token);
      if (known && known.backendId === backendId && Date.now() < known.expiresAtMs) return ok(known.headers);

      const current = await keys.forKeyId(keyIdOf(token));
      if (!current) {
        return fail("unavailable", "connection tokens cannot be checked now", { retryAfterSeconds: 5 });
      }
      const verified = await verifyConnectionToken(token, current, { account, cluster, backendId });
      if (!verified.ok) return fail("unauthorized", `the connection token is not good: ${verified.reason}`);
      const { user, auth, jti } = verified.claims;
      const hasSecret = jti !== undefined && spawnSecret !== "";
      const secret = hasSecret ? connectionSecret(spawnSecret, jti) : null;
      const headers = verifiedHeaders({ user, auth, backendId, secret });
      remember(token, { backendId, expiresAtMs: verified.claims.exp * 1000, headers }, current);
      return ok(headers);
    },
  };
}

/** The key id in a token's header; a malformed token has none. */
function keyIdOf(token: string): string | undefined {
  try {
    return decodeProtectedHeader(token).kid;
  } catch {
    return undefined;
  }
}
