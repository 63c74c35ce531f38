import type { Backoff } from "./deliveries.ts";
import { day, minute, second } from "./units.ts";

/** An account's events are shown for this long, and no more than so many of each kind. */
export const eventsKeptMs = 90 * day;
export const eventsKeptMax = { deed: 100_000, activity: 10_000 } as const;
/** How many are deleted at once, so that no single write is long, and how long after the first one too many. */
export const eventsTrimmedAtOnce = 1_000;
export const eventsTrimDelayMs = 10 * minute;
/**
 * A page of events looks at no more of them than this, whatever it is filtered by; with a filter that matches few, it may show
 * less than its limit and have a next page all the same.
 */
export const eventsReadForPage = 1_000;
/** How many missed events a follower that reconnects is sent before it has to reconnect once more. */
export const eventsReplayedMax = 1_000;

/** How many events a service sends to its account in one call. */
export const eventsSentAtOnce = 100;
/** After a call the next events are gathered for so long, and sent in one. */
export const eventsGatheredMs = 100;
/** Paces the event outbox: how soon after an account was unreachable its events are complete again. */
export const eventOutboxBackoff: Backoff = { firstMs: 1 * second, longestMs: 5 * minute };
/** Added to each delay: a retry that began during a usual call would send its events twice. */
export const eventOutboxCallMs = 5 * second;

/** Paces a page's attempts to follow an object again that it lost. */
export const refollowBackoff: Backoff = { firstMs: 1 * second, longestMs: 5 * minute };
/** Bounds that, jitter included: a page that is open shows what has changed this long after its object is back. */
export const refollowLongestMs = 30 * second;

/** A service's followers are notified of changes at most this often: how old what an open page shows may be. */
export const nudgeEveryMs = 500;
