import {
  mayLogIn,
  type SessionKind,
  sessionExpiry,
  sessionNotFound,
} from "../../../domain/credentials/sessions.ts";
import { loginLinksPerTokenMax, sessionsPerTokenMax } from "../../../domain/limits.ts";
import { fail, ok, type Result } from "../../../domain/result.ts";
import { isoTime } from "../../../protocol/primitives.ts";
import { constantTimeEqual } from "../../../protocol/tokens/access-token.ts";
import type { ListQuery, Page } from "../../../protocol/v3/list.ts";
import type { Session } from "../../../protocol/v3/sessions.ts";
import type { Actor, LoginLink, LogsIn, NewSecret, SessionParams } from "../../contract.ts";
import { newestFirst, pageAt } from "../../page.ts";
import type { AccountSql } from "../account.sql.ts";
import { recordEvent } from "../events/events.ts";
import type { TokenRow } from "../rows.ts";
import type { AccountState } from "../state.ts";
import type { SessionRow } from "./credentials.sql.ts";

/** @param now milliseconds since the epoch, as in all of these */
export function addSession(
  sql: AccountSql,
  { tokenId, sessionId, kind, userAgent, secret }: SessionParams & LogsIn & { kind: SessionKind },
  now: number,
): Result<Session> {
  const token = tokenToLogInWith(sql, { tokenId, sessionId }, now);
  if (!token.ok) return token;
  const row = {
    id: secret.id,
    secret_hash: secret.secretHash,
    token_id: tokenId,
    kind,
    user_agent: userAgent,
    created_at: now,
    expires_at: sessionExpiry(kind, token.value.expires_at, now),
  };
  sql.makeRoomForSession(tokenId, sessionsPerTokenMax);
  sql.insertSession(row);
  const actor = { tokenId, tokenName: token.value.name };
  recordEvent(sql, { type: "session.created", actor, details: { kind } }, now);
  return ok(sessionView(row));
}

export function endSession(sql: AccountSql, id: string, actor: Actor, now: number): Result<null> {
  const row = sql.session(id);
  if (!row || row.expires_at <= now) return sessionNotFound(id);
  sql.deleteSession(id);
  recordEvent(sql, { type: "session.revoked", actor, details: { kind: row.kind } }, now);
  return ok(null);
}

export function addLoginLink(
  sql: AccountSql,
  { tokenId, sessionId, expiresInSeconds, secret }: LogsIn & { expiresInSeconds: number; secret: NewSecret },
  now: number,
): Result<LoginLink> {
  const token = tokenToLogInWith(sql, { tokenId, sessionId }, now);
  if (!token.ok) return token;
  const expiresAt = Math.min(
    now + expiresInSeconds * 1000,
    token.value.expires_at ?? Number.POSITIVE_INFINITY,
  );
  sql.makeRoomForLoginLink(tokenId, loginLinksPerTokenMax);
  sql.insertLoginLink({
    id: secret.id,
    secret_hash: secret.secretHash,
    token_id: tokenId,
    expires_at: expiresAt,
    session_id: sessionId ?? null,
  });
  return ok({ id: secret.id, expiresAt });
}

export function redeemLoginLink(
  sql: AccountSql,
  { id, secretHash }: NewSecret,
  session: SessionParams,
  now: number,
): Result<Session> {
  const link = sql.loginLink(id);
  if (!link || !constantTimeEqual(link.secret_hash, secretHash) || link.expires_at <= now) {
    return loginLinkNotFound();
  }
  const by = {
    tokenId: link.token_id,
    ...(link.session_id === null ? {} : { sessionId: link.session_id }),
  };
  const made = addSession(sql, { ...session, ...by, kind: "browser" }, now);
  if (!made.ok) return loginLinkNotFound();
  sql.deleteLoginLink(id);
  return made;
}

/** One answer for all that does not log in, so that nobody learns which links there were. */
export function loginLinkNotFound() {
  return fail(
    "login_link_not_found",
    "this login link is unknown, was used, or has expired; make another one",
  );
}

/** Sessions that are good now, newest first. */
export function listSessions(
  state: Pick<AccountState, "sql" | "page">,
  query: ListQuery,
): Result<Page<Session>> {
  return state.page(query, newestFirst, (from, _, now) =>
    pageAt(from, query.limit, {
      read: (beyond, atMost) => state.sql.liveSessionsBeyond(beyond, atMost, now),
      keyOf: ({ seq }: SessionRow) => seq,
      item: sessionView,
    }),
  );
}

function sessionView(row: Omit<SessionRow, "seq">): Session {
  return {
    id: row.id,
    kind: row.kind,
    token_id: row.token_id,
    user_agent: row.user_agent,
    created_at: isoTime(row.created_at),
    expires_at: isoTime(row.expires_at),
  };
}

/** The token must live, and the session in which its holder has asked to be logged in elsewhere, too. */
function tokenToLogInWith(
  sql: Pick<AccountSql, "token" | "session">,
  { tokenId, sessionId }: { tokenId: string; sessionId: string | undefined },
  now: number,
): Result<TokenRow> {
  const token = sql.token(tokenId);
  if (!token || (token.expires_at !== null && token.expires_at <= now)) {
    return fail("token_not_found", `token \`${tokenId}\` not found`);
  }
  if (sessionId !== undefined && (sql.session(sessionId)?.expires_at ?? 0) <= now) {
    return sessionNotFound(sessionId);
  }
  const permitted = mayLogIn(token.role);
  return permitted.ok ? ok(token) : permitted;
}
