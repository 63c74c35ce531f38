import { errorStatus } from "../../domain/errors.ts";
import { fail, type Result } from "../../domain/result.ts";
import type { Identity } from "../../objects/contract.ts";
import type { Env } from "../../objects/env.ts";
import { accountStub } from "../../objects/stubs.ts";
import {
  constantTimeEqual,
  formatAccessToken,
  hashSecret,
  parseAccessToken,
} from "../../protocol/tokens/access-token.ts";
import type { TokenCache } from "./token-cache.ts";

/** RFC 6750 2.1; the scheme's name is case-insensitive (RFC 9110 11.1). */
const bearer = /^bearer +([^\s]+)$/i;

/**
 * Whose access token a request carries. Everything that is wrong with a token is told in the same words, so that
 * nobody learns which accounts or token ids exist.
 */
export async function authenticate(
  env: Env,
  authorization: string | null,
  cache: TokenCache,
): Promise<Result<Identity>> {
  if (authorization === null) return missingToken();
  const token = parseAccessToken(bearer.exec(authorization)?.[1] ?? "");
  if (!token) return badToken();
  const text = formatAccessToken(token);
  const cached = cache.get(text);
  if (cached) return { ok: true, value: cached };
  const answer = await accountStub(env, token.account).authenticate(token.id, await hashSecret(token.secret));
  if (!answer.ok) return errorStatus[answer.error.code] < 500 ? badToken() : answer;
  cache.set(text, answer.value);
  return answer;
}

/** Whether a request carries the deployment's root token. An empty root token opens nothing. */
export function authenticateRoot(env: Env, authorization: string | null): Result<null> {
  if (authorization === null) return missingToken();
  const given = bearer.exec(authorization)?.[1] ?? "";
  return env.ROOT_TOKEN !== "" && constantTimeEqual(given, env.ROOT_TOKEN)
    ? { ok: true, value: null }
    : badToken();
}

function missingToken() {
  return fail("unauthorized", "this needs a token: send `Authorization: Bearer <token>`");
}

function badToken() {
  return fail("unauthorized", "the token is malformed, unknown, revoked or expired");
}
