import { expect, test } from "vitest";
import { isTransient } from "../../../src/agent/backends/pull.ts";
import { type ErrorCode, errorStatus } from "../../../src/domain/errors.ts";
import { fail } from "../../../src/domain/result.ts";
import { startCluster } from "../support/cluster.ts";
import { fixtureImages } from "../support/images.ts";

/** A true wait: the limits of a spawn are whole seconds. */
const shortStartup = { startup_timeout_seconds: 1, max_idle_seconds: 0 };

test("of all failures only `unavailable` is worth another pull", () => {
  const codes = Object.keys(errorStatus) as ErrorCode[];
  expect(codes.filter((code) => isTransient({ code, message: "" }))).toEqual(["unavailable"]);
});

test("a pull that a registry fails is tried again within the startup timeout", async () => {
  let failures = 3;
  const cluster = await startCluster({
    images: async (reference, signal) =>
      failures-- > 0 ? fail("unavailable", "the registry answered 503") : fixtureImages(reference, signal),
  });
  const id = await cluster.spawnReady();
  expect(cluster.pulls).toHaveLength(4);
  expect(cluster.slipway.statusesOf(id)).toEqual(["loading", "starting", "waiting", "ready"]);
});

test("an image that does not exist is requested once", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawn("unknown");
  expect(await cluster.end(id)).toMatchObject({ termination_reason: "internalerror" });
  expect(cluster.pulls).toHaveLength(1);
});

test("a registry that stays away ends the backend at its startup timeout", async () => {
  const cluster = await startCluster({ images: async () => fail("unavailable", "the registry is away") });
  const id = await cluster.spawn("serve", { limits: shortStartup });
  expect(await cluster.end(id)).toMatchObject({ termination_reason: "startuptimeout" });
  expect(cluster.slipway.statusesOf(id)).toEqual(["loading", "hard-terminating", "terminated"]);
  expect(cluster.starts).toEqual([]);
});

test("a pull waits as long as a registry says", async () => {
  let failures = 1;
  const cluster = await startCluster({
    images: async (reference, signal) =>
      failures-- > 0
        ? fail("unavailable", "too many requests", { retryAfterSeconds: 3600 })
        : fixtureImages(reference, signal),
  });
  const id = await cluster.spawn("serve", { limits: shortStartup });
  expect(await cluster.end(id)).toMatchObject({ termination_reason: "startuptimeout" });
  expect(cluster.pulls).toHaveLength(1);
});
