import { describe, expect, test } from "vitest";
import * as limits from "../../src/domain/limits.ts";

const day = 24 * 3600 * 1000;

describe("the numbers are those of the design", () => {
  test.for(
    Object.entries({
      webhookAttemptTimeoutMs: 10_000,
      spawnRedeliveryDelaysMs: [1000, 2000, 4000, 8000, 16_000, 32_000],
      redeliveryJitter: 0.2,
      terminateRedeliveryFirstMs: 1000,
      terminateRedeliveryLongestMs: 300_000,
      terminateRedeliveryForMs: day,
      startupTimeoutSeconds: 300,
      maxIdleSeconds: 300,
      softTerminationGraceSeconds: 30,
      heartbeatEveryMs: 10_000,
      leaseSeconds: 45,
      clusterLostAfterMs: 60_000,
      heartbeatMissingAfterMs: 30_000,
      keyTerminatingWaitMs: 10_000,
      keyMaxCharacters: 128,
      apiBodyMaxBytes: 65_536,
      spawnEnvMaxVariables: 64,
      spawnEnvMaxBytes: 32_768,
      tokenCacheMs: 10_000,
      browserSessionMs: 7 * day,
      cliSessionMs: 90 * day,
      sessionsPerTokenMax: 200,
      loginLinkSeconds: 600,
      loginLinkMinSeconds: 60,
      loginLinkMaxSeconds: 86_400,
      cliLoginSeconds: 600,
      loginCodeTries: 5,
      secretRotationOverlapMs: day,
      connectionTokenSeconds: 86_400,
      idempotencyKeyMaxCharacters: 255,
      idempotencyKeptMs: day,
      listLimitDefault: 50,
      listLimitMax: 200,
      recentImages: 50,
      resolvedRevisionsProtected: 20,
    }),
  )("%s is %j", ([name, value]) => {
    expect(limits).toHaveProperty(name, value);
  });
});
