import type { Scope } from "../../domain/credentials/access.ts";
import { errorStatus } from "../../domain/errors.ts";
import { ok } from "../../domain/result.ts";
import type { Actor, Identity } from "../../objects/contract.ts";
import type { Env } from "../../objects/env.ts";
import { accountStub } from "../../objects/stubs.ts";
import { type RegistryClaims, verifyRegistryToken } from "../../protocol/oci/token-authentication.ts";
import { constantTimeEqual, formatAccessToken, hashSecret } from "../../protocol/tokens/access-token.ts";
import { signingOf } from "../credentials/signing.ts";
import type { Credential } from "./credential.ts";
import { badCredential, type Decision, noCredential, refuse } from "./refusal.ts";
import type { TokenCache } from "./token-cache.ts";

/** Whose a credential is, as far as a decision needs to know. */
export interface Holder extends Scope {
  account: string;
  /** What a registry token was granted; an access token, which has none, may use all of its rights. */
  granted?: RegistryClaims["access"];
}

/**
 * Whose access token or session a request carries. Everything that is wrong with one is answered in the same words,
 * so that nobody learns which accounts or token ids exist.
 */
export async function identify(
  env: Env,
  credential: Credential | null,
  cache: TokenCache,
): Promise<Decision<Identity>> {
  if (credential === null) return noCredential();
  const token = credential.accessToken;
  if (!token) return badCredential();
  const text = formatAccessToken(token);
  const cached = cache.get(text);
  if (cached) return ok(cached);
  const answer = await accountStub(env, token.account).authenticate(token.id, await hashSecret(token.secret));
  if (!answer.ok) {
    return errorStatus[answer.error.code] < 500 ? badCredential() : refuse("undecided", answer.error);
  }
  cache.set(text, answer.value);
  return answer;
}

/** The same for the registry, where a registry token of the token flow will do as well. */
export async function identifyRegistryCaller(
  env: Env,
  credential: Credential | null,
  cache: TokenCache,
  now: number,
): Promise<Decision<Holder>> {
  if (credential === null || credential.accessToken) return identify(env, credential, cache);
  const claims = await verifyRegistryToken(credential.bearer, signingOf(env).jwks, now);
  if (!claims) return badCredential();
  const { sub, access, role, service, environments } = claims;
  return ok({
    account: sub,
    role,
    ...(service === undefined ? {} : { service }),
    ...(environments === undefined ? {} : { environments }),
    granted: access,
  });
}

/** Whether a request carries the deployment's root token. An empty root token opens nothing. */
export function checkRootToken(env: Pick<Env, "ROOT_TOKEN">, credential: Credential | null): Decision<null> {
  if (credential === null) return noCredential();
  return env.ROOT_TOKEN !== "" && constantTimeEqual(credential.bearer, env.ROOT_TOKEN)
    ? ok(null)
    : badCredential();
}

/** Who does something, by their token. */
export function actorOf({ tokenId, tokenName, environments }: Identity): Actor {
  return { tokenId, tokenName, ...(environments === undefined ? {} : { environments }) };
}
