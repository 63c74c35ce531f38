import type { Scope } from "../../domain/credentials/access.ts";
import { errorStatus } from "../../domain/errors.ts";
import { ok } from "../../domain/result.ts";
import type { Actor, Identity } from "../../objects/contract.ts";
import type { Env } from "../../objects/env.ts";
import { type RegistryClaims, verifyRegistryToken } from "../../protocol/oci/token-authentication.ts";
import { constantTimeEqual, formatAccessToken, hashSecret } from "../../protocol/tokens/access-token.ts";
import { signingOf } from "../credentials/signing.ts";
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
  const text = formatAccessToken(token);
  const cached = cache.get(text);
  if (cached) return ok(cached);
  const secretHash = await hashSecret(token.secret);
  const answer = await callNamedAccount(env, token.account, (account) =>
    account.authenticate(token.id, secretHash),
  );
  if (!answer) return badCredential();
  if (!answer.ok) {
    return errorStatus[answer.error.code] < 500 ? badCredential() : refuse("undecided", answer.error);
  }
  cache.set(text, answer.value);
  return answer;
}

/** The same for the registry, which also accepts the registry tokens of its token flow. */
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

/** Whether a request carries the deployment's root token. An empty root token admits nobody. */
export function checkRootToken(env: Pick<Env, "ROOT_TOKEN">, credential: Credential | null): Decision<null> {
  if (credential === null) return noCredential();
  return env.ROOT_TOKEN !== "" && constantTimeEqual(credential.bearer, env.ROOT_TOKEN)
    ? ok(null)
    : badCredential();
}

/** The actor that a request's changes are attributed to. */
export function actorOf({ tokenId, tokenName, environments }: Identity): Actor {
  return { tokenId, tokenName, ...(environments === undefined ? {} : { environments }) };
}
