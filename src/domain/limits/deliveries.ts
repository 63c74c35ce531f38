import { day, hour, minute, second } from "./units.ts";

/** How long to wait between attempts: after the first failure `firstMs`, twice as long after each one more, up to `longestMs`. */
export interface Backoff {
  firstMs: number;
  longestMs: number;
}

/** A cluster that has not answered a webhook by then has failed it: what somebody who connects waits for one attempt at most. */
export const webhookAttemptTimeoutMs = 10 * second;
/**
 * How long after an attempt began it is certain to be over. A delivery whose attempt was lost with its process is sent
 * again by then; sooner, and a cluster that is merely slow would be sent it twice.
 */
export const recoveryDelayMs = webhookAttemptTimeoutMs + 1 * second;
/**
 * So many webhooks of one object wait for their answers to begin: the platform lets six connections do so, and has the
 * seventh wait unsent. The sixth is left for whatever else an object may fetch.
 */
export const webhooksAtOnce = 5;
/** A cluster whose answer has not begun by then is slow: it is held to few webhooks at a time, so that others have theirs. */
export const slowAnswerMs = 1 * second;
/** How many a slow cluster is sent at a time, and all slow clusters together: others keep the rest, whoever hangs. */
export const webhooksAtOnceToSlow = 2;
export const webhooksAtOnceToSlowTogether = 3;
/**
 * A spawn or a ping that was not sent by then, for the webhooks before it, has failed an attempt: somebody waits for it.
 * Everything else waits in its row for as long as it takes.
 */
export const turnAwaitedMs = 10 * second;
/** For each so many spawns to a cluster something else has its turn there, while both wait. */
export const spawnsBeforeOthers = 4;
/** So many deliveries of a cluster are taken up at a time; the next ones follow with the next alarm … */
export const deliveriesTakenAtOnce = 100;
/** … which comes so soon: each alarm has a budget of the platform's for what it sends. */
export const nextDeliveriesAfterMs = 50;
/** A longer answer is cut there: what a cluster says in it is lost, but the object that reads it keeps its memory. */
export const webhookAnswerMaxBytes = 64 * 1024;
/** Every delay is spread by this share either way, so that what failed together does not come back together. */
export const retryJitter = 0.2;
/** A cluster may put an attempt off by this much with Retry-After; more is taken as this. */
export const retryAfterLongestMs = 5 * minute;

/** The waits between the attempts at a spawn. After the last it is given up: its key is free once it is certain that nothing runs with it. */
export const spawnRetryDelaysMs = [1, 2, 4, 8, 16, 32].map((seconds) => seconds * second);

/** Paces terminations: how soon after an outage a cluster's backends end that were terminated during it. */
export const terminationBackoff: Backoff = { firstMs: 1 * second, longestMs: 5 * minute };
/** A cluster that is away for longer is not sent the termination any more; the backend is then taken as ended. */
export const terminationRetryForMs = 24 * hour;

/** Paces `image.pinned`: how soon a cluster that was away for a moment begins to pull what was pinned. */
export const pinnedBackoff: Backoff = { firstMs: 1 * second, longestMs: 5 * minute };
/** Best effort: an `image.pinned` that has not arrived by then is dropped, and the first spawn pulls the image instead. */
export const pinnedRetryForMs = 2 * minute;

/** An environment that was moved while it was announced is announced again so much later, once for all of that time. */
export const announcedAgainAfterMs = 100;
/** Where nothing is left to be announced, that is written at most so often, or with the alarm: else a kill has it announced again. */
export const announcedWrittenEveryMs = 5 * second;

/** How long a redelivery by hand waits to show its attempt. A termination may wait for its spawn's attempt before its own. */
export const redeliveryWaitMs = 2 * webhookAttemptTimeoutMs + 2 * second;

/** What a cluster's delivery log keeps: the newest attempts, none older than this. Older ones are not shown, nor redelivered. */
export const deliveryAttemptsKept = 2_000;
export const deliveryAttemptsKeptMs = 7 * day;
/** What is shown of a failed attempt's error; the rest is cut. */
export const deliveryErrorMaxCharacters = 300;
/** An attempt is in its cluster's log this soon where its service has other work by then: many in one row … */
export const attemptsFlushedAfterMs = 5 * second;
/** … and this soon in any case, by an alarm of its own. */
export const attemptsFlushedWithinMs = 12 * second;
