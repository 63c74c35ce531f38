import { parseRepositoryName } from "../../domain/registry/repository.ts";
import type { Identity } from "../../objects/contract.ts";
import type { Env } from "../../objects/env.ts";
import {
  basicChallenge,
  catalogGrant,
  grantRegistryToken,
  parseScopes,
  type RegistryClaims,
  requestsCatalog,
} from "../../protocol/oci/token-authentication.ts";
import { decide } from "../admission/admit.ts";
import { basicOrBearerCredential } from "../admission/credential.ts";
import { credentialIdOf, identify } from "../admission/identify.ts";
import type { TokenCache } from "../admission/token-cache.ts";
import { signingOf } from "../credentials/signing.ts";
import { originOf } from "../origin.ts";
import { ociFailureAnswer, ociJson } from "./answer.ts";
import { ociRefusal } from "./refusal.ts";

/**
 * `GET /v2/token?service=&scope=`: a short-lived token for those of the requested scopes that the caller has (CNCF
 * distribution, "Token authentication"). A registry token buys no other one: it would go on after its credential.
 */
export async function answerTokenRequest(
  env: Env,
  request: Request,
  tokens: TokenCache,
  now: number,
): Promise<Response> {
  if (request.method !== "GET") {
    // Clients that try OAuth 2 with POST first go on to GET after a 405.
    const failure = { code: "UNSUPPORTED", message: "tokens are asked for with GET", status: 405 };
    return ociFailureAnswer(failure, { allow: "GET" });
  }
  const credential = basicOrBearerCredential(request.headers.get("authorization"));
  const caller = await identify(env, credential, tokens);
  if (!caller.ok) {
    return ociFailureAnswer(ociRefusal(caller.error, "").error, { "www-authenticate": basicChallenge });
  }
  const scopes = new URL(request.url).searchParams.getAll("scope");
  const claims = claimsOf(caller.value, scopes);
  const { signer } = signingOf(env);
  const { expiresAt } = caller.value;
  const answer = await grantRegistryToken(await signer, originOf(env, request), claims, now, expiresAt);
  return ociJson(answer, { "cache-control": "no-store" });
}

/**
 * Grants what the caller may do of what is requested: a registry token never has more rights than its credential. Whoever
 * may pull may list what it may pull.
 */
function claimsOf(caller: Identity, scopes: readonly string[]): RegistryClaims {
  const repositories = parseScopes(scopes).flatMap(({ name, actions }) => {
    const parsed = parseRepositoryName(name);
    if (parsed.kind !== "repository") return [];
    const granted = actions.filter(
      (action) => decide(caller, { kind: "repository", action }, parsed.repository).ok,
    );
    return granted.length === 0 ? [] : [{ type: "repository" as const, name, actions: granted }];
  });
  const isCatalog = requestsCatalog(scopes) && decide(caller, { kind: "catalog" }, {}).ok;
  const access: RegistryClaims["access"] = isCatalog ? [...repositories, catalogGrant] : repositories;
  return { sub: caller.account, credential: credentialIdOf(caller), access };
}
