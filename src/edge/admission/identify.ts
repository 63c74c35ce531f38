import type { Scope } from "../../domain/credentials/access.ts";
import { errorStatus } from "../../domain/errors.ts";
import { ok, type Result } from "../../domain/result.ts";
import type { Actor, ActorName, Identity } from "../../objects/contract.ts";
import type { Env } from "../../objects/env.ts";
import { accountStub } from "../../objects/stubs.ts";
import { type RegistryClaims, verifyRegistryToken } from "../../protocol/oci/token-authentication.ts";
import {
  type AccessToken,
  constantTimeEqual,
  formatAccessToken,
  hashSecret,
} from "../../protocol/tokens/access-token.ts";
import { signingOf } from "../credentials/signing.ts";
import { definedFields } from "../defined-fields.ts";
import { callNamedAccount } from "../named-account.ts";
import type { Credential } from "./credential.ts";
import type { KnownServices } from "./known-services.ts";
import { badCredential, type Decision, noCredential, refuse } from "./refusal.ts";
import type { TokenCache } from "./token-cache.ts";

/** The holder of a credential, as far as an admission decision needs to know. */
export interface Holder extends Scope {
  account: string;
  /** The grants of a registry token. Without it, as for an access token, the role and scope alone decide. */
  granted?: RegistryClaims["access"];
}

/** Who calls the registry. */
export interface RegistryCaller extends Holder, ActorName {
  /** The id of the access token or session that everything is allowed by. */
  credentialId: string;
  /** When the registry token expired that it presents, in milliseconds since the epoch; null where it is good. */
  lapsedAt: number | null;
}

/** A service that a request names, and those that are known: what the credential's account says of it is added. */
export interface NamedService {
  name: string;
  known: KnownServices;
}

/**
 * Authenticates a request by its access token or session. Every failure is answered in the same words, so that nobody
 * learns which accounts or token ids exist.
 * @param named where it is not known the account is called for both at once, also where the credential is cached
 */
export async function identify(
  env: Env,
  credential: Credential | null,
  cache: TokenCache,
  named: NamedService | null = null,
): Promise<Decision<Identity>> {
  if (credential === null) return noCredential();
  const token = credential.accessToken;
  if (!token) return badCredential();
  const key = formatAccessToken(token);
  const unknown = named && !named.known.has(token.account, named.name) ? named : null;
  if (!unknown) return throughCache(cache, key, () => authenticate(env, token));
  return decided(cache, key, await authenticateFor(env, token, unknown));
}

async function authenticate(env: Env, { account: name, id, secret }: AccessToken) {
  const secretHash = await hashSecret(secret);
  return callNamedAccount(env, name, (account) => account.authenticate(id, secretHash));
}

async function authenticateFor(
  env: Env,
  { account: name, id, secret }: AccessToken,
  { name: service, known }: NamedService,
): Promise<Result<Identity> | null> {
  const secretHash = await hashSecret(secret);
  const answer = await callNamedAccount(env, name, (account) =>
    account.authenticateFor(id, secretHash, service),
  );
  if (!answer?.ok) return answer;
  if (answer.value.hasService) known.add(name, service);
  return ok(answer.value.identity);
}

/**
 * The same for the registry, which also accepts the registry tokens of its token flow. Whoever holds one may do what
 * was granted, as far as the access token or session that it was granted to still permits it.
 * @param lapsedMs accepts a registry token that expired at most so long ago, and says so
 */
export async function identifyRegistryCaller(
  env: Env,
  credential: Credential | null,
  cache: TokenCache,
  now: number,
  lapsedMs = 0,
): Promise<Decision<RegistryCaller>> {
  if (credential === null || credential.accessToken) {
    const holder = await identify(env, credential, cache);
    if (!holder.ok) return holder;
    return ok({ ...holder.value, credentialId: credentialIdOf(holder.value), lapsedAt: null });
  }
  const verified = await verifyRegistryToken(credential.bearer, signingOf(env).jwks, now, lapsedMs);
  if (!verified) return badCredential();
  const { claims, expiresAt } = verified;
  const { sub, credential: id, access } = claims;
  // An access token has a period in it: this key is none that somebody can present.
  const holder = await throughCache(cache, `${sub}_${id}`, () => accountStub(env, sub).identityOf(id));
  if (!holder.ok) return holder;
  return ok({
    ...holder.value,
    granted: access,
    credentialId: id,
    lapsedAt: expiresAt <= now ? expiresAt : null,
  });
}

/** The id of what a request authenticates with, which is no secret: that of the session where it is one. */
export function credentialIdOf({ session, tokenId }: Identity): string {
  return session?.id ?? tokenId;
}

/** @param key of the cache: proof of the credential that `lookUp` looks up */
async function throughCache(
  cache: TokenCache,
  key: string,
  lookUp: () => Promise<Result<Identity> | null>,
): Promise<Decision<Identity>> {
  const cached = cache.get(key);
  return cached ? ok(cached) : decided(cache, key, await lookUp());
}

/** @param answer what the account says of the credential; null where there is no such account */
function decided(cache: TokenCache, key: string, answer: Result<Identity> | null): Decision<Identity> {
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
  return a === b || JSON.stringify(actorOf(a)) === JSON.stringify(actorOf(b));
}

/** The actor that a request's changes are attributed to. */
export function actorOf(identity: Identity): Actor {
  const { tokenId, tokenName, role, rights, makers, service, environments } = identity;
  return definedFields({ tokenId, tokenName, role, rights, makers, service, environments });
}
