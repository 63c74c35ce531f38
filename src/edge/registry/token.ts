import { permittedActions } from "../../domain/registry/actions.ts";
import { parseRepositoryName } from "../../domain/registry/repository.ts";
import type { Env } from "../../objects/env.ts";
import {
  basicChallenge,
  grantRegistryToken,
  parseScopes,
  type RegistryClaims,
} from "../../protocol/oci/access.ts";
import type { TokenCache } from "../admission/token-cache.ts";
import { signingOf } from "../credentials/signing.ts";
import { originOf } from "../origin.ts";
import { ociFailureAnswer, ociJson } from "./answer.ts";
import { type Caller, identifyCaller } from "./caller.ts";

/**
 * `GET /v2/token?service=&scope=`: a short-lived token for what the caller asks for, as far as the caller may
 * (CNCF distribution, "Token authentication").
 */
export async function answerTokenRequest(
  env: Env,
  request: Request,
  tokens: TokenCache,
  now: number,
): Promise<Response> {
  if (request.method !== "GET") {
    // Clients that try OAuth 2 with POST first go on to GET when they are told so.
    const failure = { code: "UNSUPPORTED", message: "tokens are asked for with GET", status: 405 };
    return ociFailureAnswer(failure, { allow: "GET" });
  }
  const caller = await identifyCaller(env, request.headers.get("authorization"), tokens, now);
  if (!caller.ok) return ociFailureAnswer(caller.error, { "www-authenticate": basicChallenge });
  const scopes = new URL(request.url).searchParams.getAll("scope");
  const claims = claimsOf(caller.value, scopes);
  const { signer } = signingOf(env);
  const answer = await grantRegistryToken(await signer, originOf(env, request), claims, now);
  return ociJson(answer, { "cache-control": "no-store" });
}

function claimsOf({ account, scope, granted }: Caller, scopes: readonly string[]): RegistryClaims {
  const access = parseScopes(scopes).flatMap(({ name, actions }) => {
    const parsed = parseRepositoryName(name);
    if (parsed.kind !== "repository" || parsed.repository.account !== account) return [];
    const permitted = permittedActions(scope, parsed.repository.service);
    // A registry token does not buy a greater one.
    const before = granted?.filter((one) => one.name === name).flatMap((one) => one.actions);
    const given = actions.filter(
      (action) => permitted.includes(action) && (before?.includes(action) ?? true),
    );
    return given.length === 0 ? [] : [{ type: "repository" as const, name, actions: given }];
  });
  return {
    sub: account,
    role: scope.role,
    ...(scope.service === undefined ? {} : { service: scope.service }),
    ...(scope.environments === undefined ? {} : { environments: [...scope.environments] }),
    access,
  };
}
