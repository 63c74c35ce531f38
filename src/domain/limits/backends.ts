import { day, hour, minute, second } from "./units.ts";

/** A backend that is not ready by then is ended with `startuptimeout`, unless its environment allows another time. */
export const startupTimeoutSeconds = 300;
/**
 * How long past its startup timeout a cluster may take to report that a backend is ready, or that it has ended, before
 * Slipway ends it: what never gets ready at a cluster that does not see to it is ended this much later.
 */
export const startupSlackMs = 12 * second;
/** A backend without a connection for this long is ended by its cluster, unless its environment allows another time. */
export const maxIdleSeconds = 300;
/** What a backend has to save its work between SIGTERM and SIGKILL. */
export const softTerminationGraceSeconds = 30;
/** How long past its grace a cluster may take to report an end, before Slipway goes on without the report. */
export const terminationReportSlackMs = 30 * second;
/** How long past its lifetime the cluster may take to sweep a backend before Slipway terminates it. */
export const lifetimeSlackMs = 30 * second;
/**
 * A backend that may have been idle for more than this share of its idle time is touched before it is handed out; what is left of
 * that time otherwise is its client's, to come in. Less, and most reopened documents would cost a call; more, and a URL would be dead
 * before somebody has clicked it.
 */
export const touchedAfterIdleShare = 0.5;
/** How long a connect waits for a touch, its turn included. Then it is answered without: an agent that is merely slow has it. */
export const touchAwaitedMs = 3 * second;
/** A cluster that does not know touches is sent the next one this much later: so late its new agent's sweeps are prevented. */
export const touchNotSupportedForMs = 10 * minute;
/** How old the idle times of a heartbeat are at most: its agent gives it up by then. */
export const heartbeatInTransitMs = 10 * second;
/** How soon a shard that could not be notified of a backend's step is notified again: how long its page lags behind. */
export const shardRetryMs = 2 * second;
/** So many shards are notified of their backends' steps at a time: a mass termination changes thousands of them. */
export const shardsNotifiedAtOnce = 200;
/** So many live backends a shard has in memory, a few MB; the next request for another asks the service for it. */
export const shardBackendsKnown = 4_000;
/** How many mass terminations a service keeps that are finished: somebody who watches one sees its end. */
export const massTerminationsKept = 20;
/** Ended backends stay readable by id for this long; then their page and history are gone. */
export const endedBackendsKeptMs = 30 * day;

/**
 * They are forgotten so many at a time, at most once in this long: an object would wake for each of them otherwise. Where more are due
 * the next follows a minute later: so a service's shards forget as many as it can start in that time, a thousand a second.
 */
export const endedForgottenAtOnce = 2_000;
export const endedForgottenEveryMs = 1 * hour;
export const endedBacklogEveryMs = 1 * minute;
/**
 * A page of ended backends looks at no more of them than about this in all shards, whatever it is filtered by; with a filter
 * that matches few, it may show less than its limit and have others on either side all the same.
 */
export const endedReadForPage = 1_000;

/** So many live backends cross from a service at a time: with what they carry, some MB, of which there may be 32. */
export const liveBackendsPerCall = 500;

/** How long a connect waits for a key whose holder is ending; then it fails with `key_terminating`, to be retried. */
export const keyTerminatingWaitMs = 10 * second;
/** A connect with a longer key is refused. */
export const keyMaxCharacters = 128;
/** A spawn with more or longer environment variables is refused. */
export const spawnEnvMaxVariables = 64;
export const spawnEnvMaxBytes = 32 * 1024;
/** … and as JSON, which has two to six bytes for some: the webhook has to fit into what an agent reads. */
export const spawnEnvMaxJsonBytes = 56 * 1024;

/** Fencing tokens are reserved in blocks, so that a spawn does not write a counter. A restart skips the rest of one. */
export const fencingTokenBlock = 1000;
