import { describe, expect, test } from "vitest";
import { agentClock } from "../../src/agent/clock.ts";
import * as limits from "../../src/domain/limits.ts";

const seconds = 1000;
const leaseMs = limits.leaseSeconds * seconds;
const startupTimeoutMs = limits.startupTimeoutSeconds * seconds;
const softGraceMs = limits.softTerminationGraceSeconds * seconds;
const longestJitter = 1 + limits.retryJitter;
/** What a spawn's webhook holds beside the environment variables: names, an image, a key, a secret. */
const restOfSpawnBytes = 4 * 1024;
/** As `heartbeatBody` has it. */
const heartbeatBackendsMax = 10_000;
const sum = (numbers: readonly number[]) => numbers.reduce((total, each) => total + each, 0);

/** How long a spawn takes to be given up whose every attempt waits for its turn, and then times out. */
const spawnGivenUpAfterMs =
  sum(limits.spawnRetryDelaysMs) * longestJitter +
  (limits.spawnRetryDelaysMs.length + 1) * (limits.turnAwaitedMs + limits.webhookAttemptTimeoutMs);

/** How long a backend with the usual idle time counts as recently active. */
const recentlyActiveMs = limits.maxIdleSeconds * seconds * limits.touchedAfterIdleShare;

type Relation = [sentence: string, smaller: number, larger: number];

const mustBeLess: Record<string, Relation[]> = {
  "what is deleted": [
    [
      "the ended backends of a deleted service are gone before its code is freed, or their ids would lead to another",
      limits.endedBackendsKeptMs + limits.endedForgottenEveryMs,
      limits.deletedServicesKeptMs,
    ],
    [
      "the 32 shards of a service forget as many backends as it can start, or they would become more for good",
      1_000 * (limits.endedBacklogEveryMs / seconds),
      32 * limits.endedForgottenAtOnce,
    ],
    [
      "the edge forgets a code's service long before its ended backends do",
      limits.serviceCodesCachedMs,
      limits.deletedServicesKeptMs - limits.endedBackendsKeptMs,
    ],
  ],
  "clusters and their leases": [
    [
      "a cluster is assumed lost only after its agents have fenced, or a key would be held twice",
      leaseMs + agentClock.leaseCheckEveryMs,
      limits.clusterLostAfterMs,
    ],
    [
      "an agent may miss three heartbeats, or a moment without the control plane would end healthy backends",
      3 * limits.heartbeatEveryMs,
      leaseMs,
    ],
    [
      "an answered heartbeat renews the lease before the next two are due, or one slow answer would fence",
      agentClock.callTimeoutMs + limits.heartbeatEveryMs,
      leaseMs,
    ],
    [
      // The directory and the list of services are called at once, then the services.
      "a heartbeat is answered before its agent gives it up, or one slow service would cost the cluster its lease",
      2 * limits.heartbeatVerdictWaitMs,
      agentClock.callTimeoutMs,
    ],
    [
      "a spawn that was just delivered is on its agent's list before it can be missed, or new backends would be lost",
      limits.webhookAttemptTimeoutMs + limits.heartbeatEveryMs,
      limits.heartbeatMissingAfterMs,
    ],
    [
      "a backend that no list holds is lost before its whole cluster is, or heartbeats would add nothing",
      limits.heartbeatMissingAfterMs,
      limits.clusterLostAfterMs,
    ],
    [
      "a silent cluster's object wakes, late too, before it takes itself for away, or no cluster would ever be lost",
      limits.watchEveryMs + limits.alarmLateMs,
      limits.absentAfterMs + 1,
    ],
    [
      "an absence counts before it is as long as what loses a cluster, or one would be lost by it",
      limits.absentAfterMs,
      limits.clusterLostAfterMs,
    ],
    [
      "a heartbeat comes before an object notes that it runs, or a healthy cluster would cost rows for that",
      3 * limits.heartbeatEveryMs,
      limits.watchEveryMs,
    ],
    [
      "a termination's webhook has its time before heartbeats carry it too, or each would be ordered twice",
      limits.webhookAttemptTimeoutMs,
      limits.unheededTerminationAfterMs,
    ],
  ],
  disks: [
    [
      "a collection removes more than one image's worth, or each pull on a full disk would begin another",
      limits.imageGcLowPercent,
      limits.imageGcHighPercent,
    ],
    [
      "images are removed before spawns are refused for want of room, or a machine would stop where it could go on",
      limits.imageGcHighPercent,
      100 - limits.diskFloorPercent,
    ],
    [
      "a person's own machine, which fills up otherwise too, may be fuller than a server",
      limits.localDiskFloorPercent,
      limits.diskFloorPercent,
    ],
  ],
  deliveries: [
    [
      "a delivery is repeated only once its attempt is over, or a slow cluster would be sent every spawn twice",
      limits.webhookAttemptTimeoutMs,
      limits.recoveryDelayMs,
    ],
    [
      "a spawn that waits for its turn is not taken for lost, or it would be sent twice",
      limits.turnAwaitedMs,
      limits.recoveryDelayMs,
    ],
    [
      "a spawn that has waited for its turn has reached its agent before it can be missed, or it would be ended as lost",
      limits.turnAwaitedMs + limits.webhookAttemptTimeoutMs,
      limits.heartbeatMissingAfterMs,
    ],
    [
      "slow clusters leave something to prompt ones, or a cluster that hangs would hold up the others",
      limits.webhooksAtOnceToSlowTogether,
      limits.webhooksAtOnce,
    ],
    [
      "an object's webhooks leave one of the six connections that may wait for their answers",
      limits.webhooksAtOnce,
      6,
    ],
    [
      "a spawn has all of its attempts before it would have timed out, or the last ones would start what is being ended",
      spawnGivenUpAfterMs,
      startupTimeoutMs,
    ],
    [
      "a termination is retried for longer than any spawn, or a backend could start after the order to end it was dropped",
      spawnGivenUpAfterMs + startupTimeoutMs,
      limits.terminationRetryForMs,
    ],
    [
      "a termination is retried at its longest delay before it is dropped, or it would be given up without another try",
      limits.terminationBackoff.longestMs * longestJitter,
      limits.terminationRetryForMs,
    ],
    [
      "an announced pin is retried at least once before it is dropped, or one timeout would lose it",
      limits.webhookAttemptTimeoutMs + limits.pinnedBackoff.firstMs * longestJitter,
      limits.pinnedRetryForMs,
    ],
    [
      "a Retry-After puts a termination off by no more than its own longest delay, or a cluster could keep a backend",
      limits.retryAfterLongestMs,
      limits.terminationBackoff.longestMs + 1,
    ],
    [
      "a redelivery by hand outwaits its spawn's attempt and its own, or it would fail while both succeed",
      2 * limits.webhookAttemptTimeoutMs,
      limits.redeliveryWaitMs,
    ],
    [
      "attempts are logged with other work before an alarm is set for them, or every spawn would cost one",
      limits.attemptsFlushedAfterMs,
      limits.attemptsFlushedWithinMs,
    ],
    [
      "the alarm that every spawn sets comes before the log's own, or every spawn would set two",
      limits.recoveryDelayMs,
      limits.attemptsFlushedWithinMs,
    ],
    [
      "the log keeps a delivery for as long as it is retried, or a termination would vanish from it before it is over",
      limits.terminationRetryForMs,
      limits.deliveryAttemptsKeptMs,
    ],
  ],
  backends: [
    [
      "an agent ends what was to end softly before Slipway makes it hard, or the grace would be no grace",
      agentClock.softTerminationGraceMs,
      softGraceMs + limits.terminationReportSlackMs,
    ],
    [
      // The last poll decides after the timeout, and its report takes its longest.
      "a cluster's report that a backend was ready in time arrives before Slipway ends it for not being so",
      agentClock.readyLastPollMs + agentClock.callTimeoutMs,
      limits.startupSlackMs,
    ],
    [
      "a cluster's report that it swept a backend arrives before Slipway terminates that, or each would be ended twice",
      agentClock.callTimeoutMs + agentClock.reportRetryLongestMs,
      limits.lifetimeSlackMs,
    ],
    [
      "the report of an end may be retried once before Slipway goes on without it, or its reason and exit code would be lost",
      agentClock.callTimeoutMs + agentClock.reportRetryLongestMs,
      limits.terminationReportSlackMs,
    ],
    [
      "a connect gives a key up before an end with all of its grace, or its caller would wait for that without a word",
      limits.keyTerminatingWaitMs,
      softGraceMs,
    ],
    [
      "a heartbeat that its agent gave up is no older than its idle times are taken for, or an idle backend would count as active",
      agentClock.callTimeoutMs,
      limits.heartbeatInTransitMs + 1,
    ],
    [
      "a backend with a connection counts as active by every other heartbeat, or documents in use would cost calls",
      limits.heartbeatInTransitMs + 2 * limits.heartbeatEveryMs,
      recentlyActiveMs,
    ],
    [
      "a connect has time for a touch and then for the end that it shows, or nobody would get the new backend at once",
      limits.touchAwaitedMs,
      limits.keyTerminatingWaitMs,
    ],
    [
      "a connect does not wait for a touch as long as an attempt may take, or a cluster that hangs would stop everybody",
      limits.touchAwaitedMs,
      limits.webhookAttemptTimeoutMs,
    ],
    [
      "a client has time to come in after a touch without an answer was waited for, or its URL could be dead",
      limits.touchAwaitedMs,
      limits.maxIdleSeconds * seconds - recentlyActiveMs,
    ],
    [
      "a client that has vanished is gone before its backend would be idle for too long, or it would double that time",
      3 * agentClock.clientPingEveryMs,
      limits.maxIdleSeconds * seconds,
    ],
    [
      "a connection's token is good for longer than a start-up, or it would have expired when its backend is ready",
      startupTimeoutMs,
      limits.connectionTokenSeconds * seconds,
    ],
  ],
  "the registry": [
    [
      "a push that was admitted is recorded by the alarm that is set for it anyway, or each needs one more",
      limits.recoveryDelayMs,
      limits.pushAdmittedMs,
    ],
    [
      "a blob outlives the token of the push that waits for its manifest, or a push would lose its own blobs",
      limits.registryTokenSeconds * seconds,
      limits.unreferencedBlobKeptMs,
    ],
    [
      "bytes outlive the token of a pull that has begun, or it would be cut off",
      limits.registryTokenSeconds * seconds,
      limits.collectedBytesKeptMs,
    ],
    [
      "a manifest without a tag outlives the blobs that nothing refers to, or a push by digest could not be tagged",
      limits.unreferencedBlobKeptMs,
      limits.unreferencedManifestKeptMs,
    ],
    ["a blob of one part fits into one put", limits.blobPartBytes, limits.blobPutMaxBytes],
  ],
  "credentials and requests": [
    [
      "a revoked token is good for less than a minute, or revoking would not stop a leak",
      limits.tokenCacheMs,
      60 * seconds,
    ],
    [
      "one wait for a login's confirmation is a part of the login, or it would expire in the first",
      limits.loginWaitMs,
      limits.cliLoginSeconds * seconds,
    ],
    ["a login link lives at least its least time", limits.loginLinkMinSeconds, limits.loginLinkSeconds],
    ["… and at most its longest", limits.loginLinkSeconds, limits.loginLinkMaxSeconds],
    [
      "a list's default is not above its most, or it would be refused",
      limits.listLimitDefault,
      limits.listLimitMax,
    ],
    [
      "an answer is kept for its retries for longer than a spawn is, or a retry would start a second backend",
      spawnGivenUpAfterMs + startupTimeoutMs,
      limits.idempotencyKeptMs,
    ],
    [
      "a spawn's variables fit into a request's body, or their limit could not be reached",
      limits.spawnEnvMaxBytes,
      limits.apiBodyMaxBytes,
    ],
    [
      "a spawn's webhook fits into what an agent reads, or a spawn that was accepted could start nowhere",
      limits.spawnEnvMaxJsonBytes + restOfSpawnBytes,
      limits.apiBodyMaxBytes,
    ],
    [
      "the longest address and token fit into a request line, or a URL that was handed out could not be opened",
      limits.baseUrlMaxBytes + limits.connectionTokenMaxBytes + "//".length,
      limits.urlMaxBytes,
    ],
    [
      "the claims fit into a token in base64url, with 250 bytes of its other claims and 190 of header and signature",
      ((limits.connectionClaimsMaxBytes + 250) * 4) / 3 + 190,
      limits.connectionTokenMaxBytes,
    ],
    [
      "a backend with Node's limit of 16 KiB for all headers has room for those of its clients",
      limits.verifiedHeadersMaxBytes,
      8 * 1024,
    ],
  ],
  "answers and images": [
    [
      "an agent reads an answer that names each of its backends twice, or a full one could not heartbeat",
      2 * heartbeatBackendsMax * '"0123456789abc",'.length,
      limits.agentCallAnswerMaxBytes,
    ],
    [
      "a token has time for its request before the layer that it is for is given up",
      limits.registryAnswerTimeoutMs,
      limits.layerPullTimeoutMs,
    ],
    [
      "an image may have its largest layer and more, or its own limit would be none",
      limits.layerUnpackedMaxBytes,
      limits.imageUnpackedMaxBytes,
    ],
    [
      "a layer reaches its ratio before its size, or the ratio would be none",
      limits.layerRatioFreeBytes,
      limits.layerUnpackedMaxBytes,
    ],
    ["every image that Docker builds can be pulled, or some could not be run", 127, limits.imageLayersMax],
  ],
  "status streams": [
    [
      "the stream that leads shows that it is there before it is taken for gone, or each would take over from each",
      limits.leadBeatEveryMs,
      limits.leadSilentMs,
    ],
    [
      "a stream that waits shows that it is there before its place is given away, or there would be more than may be",
      2 * limits.leadWatchedLongestMs,
      limits.streamSilentMs,
    ],
    [
      "one address may not take all places of a backend, or one client could keep everybody else out",
      limits.statusStreamsPerAddress,
      limits.statusStreamsPerBackend,
    ],
  ],
  "events and usage": [
    [
      "the events that are trimmed at once are fewer than those kept, or there could be none left",
      limits.eventsTrimmedAtOnce,
      Math.min(...Object.values(limits.eventsKeptMax)),
    ],
    [
      "a page that lost its object retries more often than its bound, or the bound would be the only delay",
      limits.refollowBackoff.firstMs,
      limits.refollowLongestMs,
    ],
    [
      "counts are written with other work before an alarm is set for them, or every connect would cost one",
      limits.usageWriteAfterMs,
      limits.usageWriteWithinMs,
    ],
    [
      "what is past its keeping is deleted more often than it grows old, or twice as much would lie there",
      limits.expiredForgottenEveryMs,
      Math.min(limits.idempotencyKeptMs, limits.usageKeptMs, limits.expiredTokensKeptMs),
    ],
    [
      "revisions are kept longer than they protect their images, or nobody could see what does",
      limits.returnableDigestsKept,
      limits.revisionsKept,
    ],
    [
      "pushes are kept as long as they are shown, or the list would be short",
      limits.recentImages,
      limits.pushesKept,
    ],
  ],
};

describe.for(Object.entries(mustBeLess))("%s", ([, relations]) => {
  test.for(relations)("%s", ([, smaller, larger]) => {
    expect(smaller).toBeLessThan(larger);
  });
});

test("an agent's grace period is the one that the control plane assumes, or it would be cut short or waited for in vain", () => {
  expect(agentClock.softTerminationGraceMs).toBe(softGraceMs);
});

describe("what clients and clusters are promised", () => {
  const day = 24 * 3600 * seconds;
  test.for(
    Object.entries({
      webhookAttemptTimeoutMs: 10_000,
      spawnRetryDelaysMs: [1000, 2000, 4000, 8000, 16_000, 32_000],
      retryJitter: 0.2,
      terminationBackoff: { firstMs: 1000, longestMs: 300_000 },
      terminationRetryForMs: day,
      startupTimeoutSeconds: 300,
      maxIdleSeconds: 300,
      softTerminationGraceSeconds: 30,
      heartbeatEveryMs: 10_000,
      leaseSeconds: 45,
      clusterLostAfterMs: 60_000,
      keyTerminatingWaitMs: 10_000,
      keyMaxCharacters: 128,
      apiBodyMaxBytes: 65_536,
      spawnEnvMaxVariables: 64,
      spawnEnvMaxBytes: 32_768,
      spawnEnvMaxJsonBytes: 57_344,
      urlMaxBytes: 8_192,
      baseUrlMaxBytes: 2_000,
      connectionClaimsMaxBytes: 4_000,
      verifiedHeadersMaxBytes: 8_000,
      tokenCacheMs: 10_000,
      browserSessionMs: 7 * day,
      cliSessionMs: 90 * day,
      loginLinkSeconds: 600,
      loginLinkMinSeconds: 60,
      loginLinkMaxSeconds: 86_400,
      cliLoginSeconds: 600,
      secretRotationOverlapMs: day,
      connectionTokenSeconds: 86_400,
      idempotencyKeyMaxCharacters: 255,
      idempotencyKeptMs: day,
      listLimitDefault: 50,
      listLimitMax: 200,
      recentImages: 50,
    }),
  )("%s is %j", ([name, value]) => {
    expect(limits).toHaveProperty(name, value);
  });
});
