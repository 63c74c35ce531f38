import { runInDurableObject } from "cloudflare:test";
import { describe, expect } from "vitest";
import {
  recoveryDelayMs,
  startupSlackMs,
  startupTimeoutSeconds,
  usagePointsMax,
} from "../../../src/domain/limits.ts";
import { noUsage } from "../../../src/domain/usage/usage.ts";
import { kill, passTime } from "../../support/worker/clock.ts";
import { startBackend } from "../support/backend.ts";
import { test } from "../support/object-test.ts";
import { caller, code, connectParams, setUpPinned, value } from "../support/service.ts";
import { day, lastHour, minute, totals } from "../support/usage.ts";

describe("what is counted", () => {
  test("a spawn is, in the minute and the environment in which it was decided", async ({ pinned: hello }) => {
    const at = Date.now();
    value(await hello.connect());
    const [usage] = await lastHour(hello);
    expect(usage?.environment).toBe("default");
    expect(usage?.points).toHaveLength(61);
    expect(usage?.points.at(-1)).toEqual({ at, ...noUsage.totals, spawned: 1 });
    expect(usage?.points[0]).toEqual({ at: at - 60 * minute, ...noUsage.totals });
    expect(usage?.totals).toEqual({ ...noUsage.totals, spawned: 1 });
    expect(usage?.startup).toBeNull();
  });

  test("a connect that gets the live holder of its key is reused, not spawned", async ({ pinned: hello }) => {
    value(await hello.connect({ key: "doc" }));
    value(await hello.connect({ key: "doc" }));
    value(await hello.connect({ key: "doc", spawn: null }));
    expect(await totals(hello)).toEqual({ spawned: 1, reused: 2 });
  });

  test("a connect that repeats another with its idempotency key is not counted again", async ({
    pinned: hello,
  }) => {
    const retried = { ...caller, idempotency: { principal: "atoken000000", key: "k", requestHash: "h" } };
    value(await hello.service().connectBackend(connectParams(), retried));
    value(await hello.service().connectBackend(connectParams(), retried));
    expect(await totals(hello)).toEqual({ spawned: 1 });
  });

  test("a retry that finds the backend which its first request started is not reused", async ({
    cluster,
  }) => {
    const hello = await setUpPinned({ template: null });
    const retried = { ...caller, idempotency: { principal: "atoken000000", key: "k", requestHash: "h" } };
    cluster.script(500, () => Response.json({ url: "https://backend.test" }));
    expect(code(await hello.service().connectBackend(connectParams(), retried))).toBe("cluster_unavailable");
    await passTime(hello.service(), 1_200);
    await cluster.settled(2);
    await cluster.quiet();
    value(await hello.service().connectBackend(connectParams(), retried));
    expect(await totals(hello)).toEqual({ spawned: 1, refused: 1 });
  });

  test("a connect that is refused for want of an image is, and bad input and mere questions are not", async ({
    hello,
  }) => {
    expect(code(await hello.connect())).toBe("image_not_found");
    expect(code(await hello.connect({ environment: "prdo" }))).toBe("environment_not_found");
    expect(code(await hello.connect({ spawn: null }))).toBe("bad_request");
    expect(code(await hello.connect({ key: "doc", spawn: null }))).toBe("key_not_held");
    expect(await totals(hello)).toEqual({ refused: 1 });
  });

  test("a spawn that the cluster refuses is refused, and a backend that failed", async ({
    pinned: hello,
    cluster,
  }) => {
    cluster.script(409);
    expect(code(await hello.connect())).toBe("cluster_refused");
    expect(await totals(hello)).toEqual({ spawned: 1, refused: 1, failed: 1 });
  });

  test("a backend that becomes ready is, once, with the time that it took", async ({ pinned: hello }) => {
    const { report } = await startBackend(hello);
    await report({ status: "loading" });
    await report({ status: "ready" });
    await report({ status: "ready" });
    await report({ status: "terminating", termination_reason: "swept" });
    await report({ status: "terminated" });
    expect(await totals(hello)).toEqual({ spawned: 1, ready: 1 });
    const [usage] = await lastHour(hello);
    expect(usage?.startup?.count).toBe(1);
    expect(usage?.startup?.p50Ms).toBeGreaterThan(1_800);
    expect(usage?.startup?.p50Ms).toBeLessThan(2_250);
  });

  test.for([
    ["is reported to have ended", ["terminated"]],
    ["is reported to be ending, and then to have ended", ["terminating", "terminated"]],
  ] as const)(
    "a backend that %s before it was ready has failed, once",
    async ([_, steps], { pinned: hello }) => {
      const { report } = await startBackend(hello);
      await report({ status: "loading" });
      for (const status of steps) await report({ status });
      expect(await totals(hello)).toEqual({ spawned: 1, failed: 1 });
    },
  );

  test("a backend that outlives its startup timeout has failed", async ({ pinned: hello, cluster }) => {
    value(await hello.connect());
    await passTime(hello.service(), recoveryDelayMs);
    await passTime(hello.service(), startupTimeoutSeconds * 1000 + startupSlackMs - recoveryDelayMs);
    await cluster.quiet();
    expect(await totals(hello)).toEqual({ spawned: 1, failed: 1 });
  });
});

describe("a question for usage", () => {
  test("covers only the environments that its caller may see, the oldest first", async ({
    pinned: hello,
  }) => {
    for (const name of ["prod", "beta"]) {
      value(await hello.service().createEnvironment({ name, image: "latest" }, caller));
    }
    const named = async (environments?: string[]) =>
      (await lastHour(hello, environments)).map(({ environment }) => environment);
    expect(await named()).toEqual(["default", "prod", "beta"]);
    expect(await named(["beta", "elsewhere"])).toEqual(["beta"]);
    expect(await named([])).toEqual([]);
  });

  test("for too many steps is refused", async ({ hello }) => {
    const to = Date.now();
    const refused = await hello.service().usage({ from: to - day, to, stepMs: minute });
    expect(code(refused)).toBe("bad_request");
  });

  test("to a service that does not exist is `service_not_found`", async ({ hello }) => {
    value(await hello.accountObject.deleteService("hello", caller));
    const to = Date.now();
    expect(code(await hello.service().usage({ from: to - minute, to, stepMs: minute }))).toBe(
      "service_not_found",
    );
  });
});

test("more steps of all environments together than can cross from the service are refused, saying how many can", async ({
  pinned: hello,
}) => {
  const environments = Math.floor(usagePointsMax / 400) + 1;
  await runInDurableObject(hello.service(), (_, { storage }) => {
    storage.sql
      .exec(
        `WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
         INSERT INTO environments (name, settings, image, revision, created_at)
         SELECT printf('e%05d', i), '{}', 'latest', 1, 0 FROM n`,
        environments,
      )
      .toArray();
  });
  // Environments are in its memory: it has to read them again.
  await kill(hello.service());
  const to = Math.floor(Date.now() / minute) * minute;
  const usage = (steps: number, names?: string[]) =>
    hello
      .service()
      .usage({ from: to - steps * minute, to, stepMs: minute, ...(names ? { environments: names } : {}) });
  expect(value(await usage(398))).toHaveLength(environments);
  const refused = await usage(400);
  expect(code(refused)).toBe("bad_request");
  expect(refused).toMatchObject({ error: { message: expect.stringContaining(`${usagePointsMax}`) } });
  expect(value(await usage(400, ["default"]))).toHaveLength(1);
});
