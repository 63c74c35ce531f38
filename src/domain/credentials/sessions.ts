import { browserSessionMs, cliSessionMs, userAgentMaxCharacters } from "../limits.ts";
import { fail, ok, type Result } from "../result.ts";
import type { Scope, TokenRole } from "./access.ts";

/** Where somebody has logged in: at the dashboard, or with the Jamsocket CLI. */
export const sessionKinds = ["browser", "cli"] as const;
/** How somebody has logged in. */
export type SessionKind = (typeof sessionKinds)[number];

const lifetimeMs: Record<SessionKind, number> = { browser: browserSessionMs, cli: cliSessionMs };

/**
 * When a session that is made at `now` ends, in milliseconds since the epoch: never later than its access token.
 * @param tokenExpiresAt of the access token, in milliseconds since the epoch; null for one that does not expire
 */
export function sessionExpiry(kind: SessionKind, tokenExpiresAt: number | null, now: number): number {
  return Math.min(now + lifetimeMs[kind], tokenExpiresAt ?? Number.POSITIVE_INFINITY);
}

/**
 * Whether somebody may log in with a token of this role.
 * @returns `forbidden` for an agent's: agents are programs, and nobody logs in as one
 */
export function mayLogIn(role: TokenRole): Result<null> {
  return role === "agent"
    ? fail("forbidden", "a cluster's agent token cannot log in; use a token of the account")
    : ok(null);
}

/**
 * Whether somebody may end the session `id` of their own account: an admin of the whole account may end any, a session
 * itself.
 * @returns `session_not_found` for everybody else, as of a session that does not exist
 */
export function mayEndSession(caller: Scope & { session?: { id: string } }, id: string): Result<null> {
  const isAccountAdmin = caller.role === "admin" && caller.service === undefined;
  return isAccountAdmin || caller.session?.id === id ? ok(null) : sessionNotFound(id);
}

/** The failure for a session that does not exist, has ended, or is none of the caller's. */
export function sessionNotFound(id: string) {
  return fail("session_not_found", `session \`${id.slice(0, 80)}\` not found`);
}

/**
 * What is kept of a `User-Agent`, for people who look at their sessions: its first characters.
 * @param header null where there is none, of which an empty text is kept
 */
export function shortUserAgent(header: string | null): string {
  return [...(header ?? "")].slice(0, userAgentMaxCharacters).join("");
}
