import type { LoginPerson } from "../../domain/credentials/login-attempt.ts";
import { type SessionKind, shortUserAgent } from "../../domain/credentials/sessions.ts";
import { ok, type Result } from "../../domain/result.ts";
import { loginLinkNotFound } from "../../objects/account/credentials/sessions.ts";
import type { Identity, SessionParams } from "../../objects/contract.ts";
import type { Env } from "../../objects/env.ts";
import { accountStub } from "../../objects/stubs.ts";
import { formatAccessToken, hashSecret, parseAccessToken } from "../../protocol/tokens/access-token.ts";
import type { Session } from "../../protocol/v3/sessions.ts";
import { callNamedAccount } from "../named-account.ts";
import { newAccessSecret, secretSource } from "./secrets.ts";

/** A new session with its credential, which is shown this once. */
export interface StartedSession {
  account: string;
  session: Session;
  /** `<account>_<id>.<secret>`, used as an access token is. */
  token: string;
}

/** Who logs in somewhere else. */
export function personOf({
  account,
  tokenId,
  session,
}: Pick<Identity, "account" | "tokenId" | "session">): LoginPerson {
  return { account, tokenId, ...(session === undefined ? {} : { sessionId: session.id }) };
}

/**
 * Logs the holder of an access token in. Called with a session, which must live, it starts another one of the same
 * access token, which may outlive the caller's session, but not the token.
 * @param userAgent the `User-Agent` of the client that will hold the session
 */
export function startSession(
  env: Env,
  { account, ...person }: LoginPerson,
  kind: SessionKind,
  userAgent: string | null,
): Promise<Result<StartedSession>> {
  return withSecret(env, account, userAgent, (params) =>
    accountStub(env, account).createSession({ ...params, ...person, kind }),
  );
}

/** Logs in by a login link. @param credential what follows `/login/` in its URL */
export async function redeemLoginLink(
  env: Env,
  credential: string,
  userAgent: string | null,
): Promise<Result<StartedSession>> {
  const link = parseAccessToken(credential);
  if (!link) return loginLinkNotFound();
  const stored = { id: link.id, secretHash: await hashSecret(link.secret) };
  return withSecret(env, link.account, userAgent, async (params) => {
    const used = await callNamedAccount(env, link.account, (account) => account.useLoginLink(stored, params));
    return used ?? loginLinkNotFound();
  });
}

async function withSecret(
  env: Env,
  account: string,
  userAgent: string | null,
  make: (params: SessionParams) => Promise<Result<Session>>,
): Promise<Result<StartedSession>> {
  const { id, secret, secretHash } = await newAccessSecret(secretSource(env, account, undefined));
  const made = await make({ userAgent: shortUserAgent(userAgent), secret: { id, secretHash } });
  if (!made.ok) return made;
  return ok({ account, session: made.value, token: formatAccessToken({ account, id, secret }) });
}
