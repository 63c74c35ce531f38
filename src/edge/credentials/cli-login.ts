import { loginNotFound } from "../../domain/credentials/login-attempt.ts";
import { mayLogIn, shortUserAgent } from "../../domain/credentials/sessions.ts";
import { errorStatus } from "../../domain/errors.ts";
import { ok, type Result } from "../../domain/result.ts";
import type { Identity } from "../../objects/contract.ts";
import type { Env } from "../../objects/env.ts";
import { loginStub } from "../../objects/stubs.ts";
import { type LoginClaims, signLoginToken, verifyLoginToken } from "../../protocol/tokens/login-token.ts";
import { originOf } from "../origin.ts";
import { personOf, type StartedSession, startSession } from "./sessions.ts";
import { signingOf } from "./signing.ts";

/** Begins a login of the CLI. Stateless: the token that it returns holds the attempt. */
export async function beginCliLogin(env: Env, request: Request): Promise<string> {
  const userAgent = shortUserAgent(request.headers.get("user-agent"));
  const claims = { id: crypto.randomUUID(), userAgent };
  return signLoginToken(await signingOf(env).signer, originOf(env, request), claims, Date.now());
}

/**
 * Verifies the token of a login for the page that has it confirmed, which should show the user agent.
 * @returns `login_not_found` where this deployment did not issue it, or it has expired
 */
export async function readCliLogin(
  env: Env,
  token: string,
): Promise<Result<LoginClaims & { expiresAt: number }>> {
  const claims = await verifyLoginToken(token, signingOf(env).jwks, Date.now());
  return claims ? ok(claims) : loginNotFound();
}

/**
 * Confirms a login of the CLI on behalf of the logged-in visitor.
 * @returns the code that the page is to show; else a failure of `LoginRpc.confirm`, or `forbidden` for an agent
 */
export async function confirmCliLogin(
  env: Env,
  token: string,
  visitor: Pick<Identity, "account" | "tokenId" | "session" | "role">,
): Promise<Result<{ code: string }>> {
  const permitted = mayLogIn(visitor.role);
  if (!permitted.ok) return permitted;
  const login = await readCliLogin(env, token);
  if (!login.ok) return login;
  const { id, expiresAt } = login.value;
  return loginStub(env, id).confirm(id, { ...personOf(visitor), expiresAt });
}

/** Exchanges the code for the CLI's session. Fails as `LoginRpc.complete` does. */
export async function completeCliLogin(
  env: Env,
  token: string,
  code: string,
): Promise<Result<StartedSession>> {
  const login = await readCliLogin(env, token);
  if (!login.ok) return login;
  const { id } = login.value;
  const person = await loginStub(env, id).complete(id, code);
  if (!person.ok) return person;
  const started = await startSession(env, person.value, "cli", login.value.userAgent);
  // The visitor's token or session has ended meanwhile, which must not show in the answer.
  if (!started.ok && errorStatus[started.error.code] < 500) return loginNotFound();
  return started;
}
