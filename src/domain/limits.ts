/** The numbers of the system. Each name carries its unit; each is a duration on the clock of whoever waits. */
const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;

export const webhookAttemptTimeoutMs = 10 * second;
export const spawnRedeliveryDelaysMs = [1, 2, 4, 8, 16, 32].map((s) => s * second);
export const redeliveryJitter = 0.2;
export const terminateRedeliveryFirstMs = 1 * second;
export const terminateRedeliveryLongestMs = 5 * minute;
export const terminateRedeliveryForMs = 24 * hour;
/** Best effort: an `image.pinned` that has not arrived by then is of no use any more. */
export const pinnedRedeliveryForMs = 2 * minute;

export const startupTimeoutSeconds = 300;
export const maxIdleSeconds = 300;
export const softTerminationGraceSeconds = 30;
/** How long past its grace a cluster may take to report an end that it has acknowledged. */
export const terminationReportSlackMs = 30 * second;
/** How long past its lifetime the cluster may take to sweep a backend before Slipway asks for its end. */
export const lifetimeSlackMs = 30 * second;

export const heartbeatEveryMs = 10 * second;
export const leaseSeconds = 45;
export const clusterLostAfterMs = 60 * second;
/** A backend younger than this may not have reached the cluster's own list when it sent its heartbeat. */
export const heartbeatMissingAfterMs = 30 * second;
/** A hard end that an agent has not begun by then is asked for by its heartbeats too: its webhook may not get through. */
export const unheededTerminationAfterMs = 30 * second;
/** How long a heartbeat's answer waits for one service: an agent gives a call up after 10 s, and its lease needs the answer. */
export const heartbeatVerdictWaitMs = 3 * second;
/** How often every service is asked what no list has ever shown: an agent that restarts quickly may forget a backend. */
export const everyServiceAskedEveryMs = 5 * minute;

export const keyTerminatingWaitMs = 10 * second;
export const keyMaxCharacters = 128;

export const apiBodyMaxBytes = 64 * 1024;
export const webhookAnswerMaxBytes = 64 * 1024;
export const spawnEnvMaxVariables = 64;
export const spawnEnvMaxBytes = 32 * 1024;

/** What is kept of a cluster's deliveries: the newest attempts, none older than this. */
export const deliveryAttemptsKept = 2_000;
export const deliveryAttemptsKeptMs = 7 * 24 * hour;
export const deliveryErrorMaxCharacters = 300;
/** Attempts are told to their cluster's log together: once the first of them is this old, at work done anyway … */
export const attemptsToldAfterMs = 5 * second;
/** … and by an alarm of their own where there was no work until then. */
export const attemptsToldWithinMs = 12 * second;

export const tokenCacheMs = 10 * second;
export const browserSessionMs = 7 * 24 * hour;
export const cliSessionMs = 90 * 24 * hour;
/** The oldest makes room. */
export const sessionsPerTokenMax = 200;
export const userAgentMaxCharacters = 200;
export const loginLinkSeconds = 600;
export const loginLinkMinSeconds = 60;
export const loginLinkMaxSeconds = 24 * 3600;
/** The oldest makes room: a link is made for one login. */
export const loginLinksPerTokenMax = 200;
/** How long a login of the CLI waits for a person. */
export const cliLoginSeconds = 600;
export const loginCodeTries = 5;
/** How long a Login object is asked for a confirmation at a time. */
export const loginWaitMs = 20 * second;
export const secretRotationOverlapMs = 24 * hour;
export const connectionTokenSeconds = 24 * 3600;
export const idempotencyKeyMaxCharacters = 255;
export const idempotencyKeptMs = 24 * hour;

export const listLimitDefault = 50;
export const listLimitMax = 200;
/** How many of an environment's latest pins its overview tells. */
export const recentPinsShown = 20;
export const recentImages = 50;
export const resolvedRevisionsProtected = 20;
/** Ended backends stay readable by id for this long. */
export const endedBackendsKeptMs = 30 * 24 * hour;

/** What is counted for an environment is counted by the minute. */
export const usageMinuteMs = 1 * minute;
export const usageKeptMs = 30 * 24 * hour;
/** Counts stay in memory for as long as this, so that no connect and no failed delivery writes a row of its own for them. */
export const usageWriteAfterMs = 10 * second;
/** Counts that nothing else has written down by then wake the object. */
export const usageWriteWithinMs = 60 * second;
export const usageDeleteEveryMs = 1 * hour;
export const usageDeletedAtOnce = 10_000;
export const usageStepsMax = 400;
/** Account events are kept for this long, and no more than so many of them. */
export const eventsKeptMs = 90 * 24 * hour;
export const eventsKeptMax = 10_000;
/** How many go at once when they are too old or too many, and how long after the first one too many. */
export const eventsTrimmedAtOnce = 1_000;
export const eventsTrimDelayMs = 10 * minute;
/** How many events a follower that comes again is sent before it has to come once more. */
export const eventsReplayedMax = 1_000;
/** How many events a service hands to its account in one call. */
export const eventsSentAtOnce = 100;
/** A service's followers are told of changes at most this often. */
export const nudgeEveryMs = 500;

/** Fencing tokens are reserved in blocks, so that a spawn does not write a counter row. */
export const fencingTokenBlock = 1000;

/** OCI Distribution 1.1, "Pushing manifests": what clients may count on. */
export const manifestMaxBytes = 4 * 1024 * 1024;
/** Parts of a multipart upload all have this size but for the last; R2 and S3 take none smaller. */
export const blobPartBytes = 5 * 1024 * 1024;
/** R2 and S3 take at most this much in one put. */
export const blobPutMaxBytes = 5_000_000_000;
/** An upload that nothing was added to for this long is given up. */
export const uploadExpiresMs = 24 * hour;
/** A blob that no manifest refers to is kept for this long: its manifest may still be on its way. */
export const unreferencedBlobKeptMs = 1 * hour;
/** A manifest without a tag is kept for this long: whoever pushes by digest may tag or pin it days later. */
export const unreferencedManifestKeptMs = 7 * 24 * hour;
/** Bytes outlive their records by this, for the readers that are on the way. */
export const collectedBytesKeptMs = 10 * minute;
export const registryTokenSeconds = 300;
export const tagsPageMax = 1000;
export const referrersPageMax = 100;
export const tagsOfOnePushMax = 32;
