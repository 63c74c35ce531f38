import { day, hour, second } from "./units.ts";

/** How long the edge takes a token for good without a look at its account: how long a revoked one may still be used. */
export const tokenCacheMs = 10 * second;

/**
 * How long an account that was created before accounts were registered, and has no service, may first be used: after
 * that its tokens are refused until its name is registered by creating it once more.
 */
export const olderAccountsAskedMs = 90 * day;

/** How long an expired access token is still listed: somebody who looks why a job has stopped finds it. */
export const expiredTokensKeptMs = 30 * day;

/** Tokens that made one another, above any token: all of them are recorded with it. */
export const tokenMakersMax = 32;

/** When a browser has to log in again. */
export const browserSessionMs = 7 * day;
/** When the CLI has to log in again. */
export const cliSessionMs = 90 * day;
/** One token's sessions. A new one ends the oldest. */
export const sessionsPerTokenMax = 200;
/** What a session's list shows of the browser that it was begun with. */
export const userAgentMaxCharacters = 200;

/** How long a login link is good: where its maker names no time, and the bounds of what may be named. */
export const loginLinkSeconds = 600;
export const loginLinkMinSeconds = 60;
export const loginLinkMaxSeconds = 24 * 3600;
/** One token's links. A new one replaces the oldest, which then logs nobody in: a link is made for one login. */
export const loginLinksPerTokenMax = 200;

/** How long `slipway login` waits for a person to confirm it. */
export const cliLoginSeconds = 600;
/**
 * Logins of the CLI that one token has confirmed and that are kept at a time, in each of the few objects that keep them. A new
 * one replaces the oldest, which is then begun anew.
 */
export const cliLoginsPerTokenMax = 20;
/**
 * Streams that wait at once in one such object for a login to be confirmed. One more has the longest one look again
 * a second later: anybody may wait, and nobody is kept from it.
 */
export const loginWaitsAtOnce = 1_000;
/** Wrong codes until a login of the CLI has to be begun again. */
export const loginCodeTries = 5;
/** How long one request waits for that confirmation, before it is repeated. */
export const loginWaitMs = 20 * second;

/** A connection's token, and the URLs that carry it, open the backend for this long. */
export const connectionTokenSeconds = (24 * hour) / second;
