import type { Scope } from "../../domain/credentials/access.ts";
import { errorStatus } from "../../domain/errors.ts";
import { ok, type Result } from "../../domain/result.ts";
import type { Actor, Identity } from "../../objects/contract.ts";
import type { Env } from "../../objects/env.ts";
import { accountStub } from "../../objects/stubs.ts";
import { type RegistryClaims, verifyRegistryToken } from "../../protocol/oci/token-authentication.ts";
import { constantTimeEqual, formatAccessToken, hashSecret } from "../../protocol/tokens/access-token.ts";
import { signingOf } from "../credentials/signing.ts";
import { definedFields } from "../defined-fields.ts";
import { callNamedAccount } from "../named-account.ts";
import type { Credential } from "./credential.ts";
import { badCredential, type Decision, noCredential, refuse } from "./refusal.ts";
import type { TokenCache } from "./token-cache.ts";

/** The holder of a credential, as far as an admission decision needs to know. */
export interface Holder extends Scope {
  account: string;
  /** The grants of a registry token. Without it, as for an access token, the role and scope alone decide. */
  granted?: RegistryClaims["access"];
}

/**
 * Authenticates a request by its access token or session. Every failure is answered in the same words, so that nobody
 * learns which accounts or token ids exist.
 */
export async function identify(
  env: Env,
  credential: Credential | null,
  cache: TokenCache,
): Promise<Decision<Identity>> {
  if (credential === null) return noCredential();
  const token = credential.accessToken;
  if (!token) return badCredential();
  return throughCache(cache, formatAccessToken(token), async () => {
    const secretHash = await hashSecret(token.secret);
    return callNamedAccount(env, token.account, (account) => account.authenticate(token.id, secretHash));
  });
}

/**
 * The same for the registry, which also accepts the registry tokens of its token flow. Whoever holds one may do what
 * was granted, as far as the access token or session that it was granted to still permits it.
 */
export async function identifyRegistryCaller(
  env: Env,
  credential: Credential | null,
  cache: TokenCache,
  now: number,
): Promise<Decision<Holder>> {
  if (credential === null || credential.accessToken) return identify(env, credential, cache);
  const claims = await verifyRegistryToken(credential.bearer, signingOf(env).jwks, now);
  if (!claims) return badCredential();
  const { sub, credential: id, access } = claims;
  // An access token has a period in it: this key is none that somebody can present.
  const holder = await throughCache(cache, `${sub}_${id}`, () => accountStub(env, sub).identityOf(id));
  return holder.ok ? ok({ ...holder.value, granted: access }) : holder;
}

/** @param key of the cache: proof of the credential that `lookUp` looks up */
async function throughCache(
  cache: TokenCache,
  key: string,
  lookUp: () => Promise<Result<Identity> | null>,
): Promise<Decision<Identity>> {
  const cached = cache.get(key);
  if (cached) return ok(cached);
  const answer = await lookUp();
  if (!answer) return badCredential();
  if (!answer.ok) {
    return errorStatus[answer.error.code] < 500 ? badCredential() : refuse("undecided", answer.error);
  }
  cache.set(key, answer.value);
  return answer;
}

/** Whether a request carries the deployment's root token. An empty root token admits nobody. */
export function checkRootToken(env: Pick<Env, "ROOT_TOKEN">, credential: Credential | null): Decision<null> {
  if (credential === null) return noCredential();
  return env.ROOT_TOKEN !== "" && constantTimeEqual(credential.bearer, env.ROOT_TOKEN)
    ? ok(null)
    : badCredential();
}

/** Whether two identities are of one token with one scope: then what was decided for the one holds for the other. */
export function isSameHolder(a: Identity, b: Identity): boolean {
  return (
    a === b ||
    JSON.stringify([actorOf(a), a.role, a.service]) === JSON.stringify([actorOf(b), b.role, b.service])
  );
}

/** The actor that a request's changes are attributed to. */
export function actorOf({ tokenId, tokenName, service, environments }: Identity): Actor {
  return definedFields({ tokenId, tokenName, service, environments });
}
