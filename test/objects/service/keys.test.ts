import { runInDurableObject } from "cloudflare:test";
import { describe, expect, vi } from "vitest";
import { evict } from "../../support/worker/clock.ts";
import type { ScriptedCluster } from "../../support/worker/scripted-cluster.ts";
import { registrationOf } from "../support/agent.ts";
import { test } from "../support/object-test.ts";
import { actor, caller, code, connectParams, setUpPinned, value } from "../support/service.ts";

/** A service whose first backend holds the key `doc`. */
async function setUpHolder() {
  const hello = await setUpPinned();
  const { backendId } = value(await hello.connect({ key: "doc" }));
  const [live] = value(await hello.service().liveBackends());
  const fencingToken = live?.info.fencingToken ?? 0;
  return {
    ...hello,
    backendId,
    fencingToken,
    terminate: async () => value(await hello.service().terminate(backendId, false, caller)),
  };
}

/** Freezes timeouts too, once no event waits for others: each would have another one. */
async function freeze(hello: Awaited<ReturnType<typeof setUpHolder>>) {
  await vi.waitUntil(() =>
    runInDurableObject(
      hello.service(),
      (_, { storage }) => storage.sql.exec("SELECT 1 FROM event_outbox").toArray().length === 0,
    ),
  );
  vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"], now: Date.now() });
}

/**
 * Freezes timeouts too and begins a connect that has to wait.
 * @returns once it waits, the connect's answer to come
 */
async function connectThatWaits(cluster: ScriptedCluster, hello: Awaited<ReturnType<typeof setUpHolder>>) {
  await cluster.settledOf("backend.terminate", 1);
  await cluster.quiet();
  await freeze(hello);
  const answer = hello.connect({ key: "doc" });
  await vi.waitUntil(() => vi.getTimerCount() === 1);
  return { answer };
}

describe("a held key", () => {
  test("is handed out to whoever connects with it, with the same URL, the backend's secret and a token of its own", async ({
    pinned: hello,
    cluster,
  }) => {
    const first = value(await hello.connect({ key: "doc" }));
    const second = value(await hello.connect({ key: "doc" }));
    expect(first.spawned).toBe(true);
    expect(second).toEqual({ ...first, spawned: false, tokenId: expect.any(String) });
    expect(second.tokenId).not.toBe(first.tokenId);
    expect(cluster.of("backend.spawn")).toHaveLength(1);
  });

  test("is handed out when the object was evicted meanwhile", async () => {
    const hello = await setUpHolder();
    await evict(hello.service());
    const again = value(await hello.connect({ key: "doc" }));
    expect(again).toMatchObject({ spawned: false, backendId: hello.backendId });
  });

  test("is handed out with the status that the holder has reached", async () => {
    const hello = await setUpHolder();
    value(await hello.report(hello.backendId, hello.fencingToken, "ready"));
    expect(value(await hello.connect({ key: "doc" })).status).toBe("ready");
  });

  test("keeps being handed out after the pin moved on: only new backends run the new image", async () => {
    const hello = await setUpHolder();
    await hello.push(2, "latest");
    expect(value(await hello.connect({ key: "doc" })).spawned).toBe(false);
    expect(value(await hello.connect({ key: "other" })).spawned).toBe(true);
  });

  test("is held in one environment only", async () => {
    const hello = await setUpHolder();
    const body = { name: "staging", image: "latest" };
    value(await hello.service().createEnvironment(body, caller));
    const elsewhere = value(await hello.connect({ key: "doc", environment: "staging" }));
    expect(elsewhere.spawned).toBe(true);
    expect(elsewhere.backendId).not.toBe(hello.backendId);
    const here = value(await hello.connect({ key: "doc", environment: "default" }));
    expect(here.backendId).toBe(hello.backendId);
  });

  test("is given to one backend, however many connect with it at once", async ({ pinned: hello }) => {
    const all = await Promise.all(Array.from({ length: 20 }, () => hello.connect({ key: "doc" })));
    const connections = all.map(value);
    expect(new Set(connections.map(({ backendId }) => backendId)).size).toBe(1);
    expect(connections.filter(({ spawned }) => spawned)).toHaveLength(1);
  });

  test("is not handed out to a token of other environments", async () => {
    const hello = await setUpHolder();
    const narrowed = { ...caller, actor: { ...actor, environments: ["staging"] } };
    const refused = await hello.service().connectBackend(connectParams({ key: "doc" }), narrowed);
    expect(code(refused)).toBe("forbidden");
  });

  test("is free again after the end", async () => {
    const hello = await setUpHolder();
    value(await hello.report(hello.backendId, hello.fencingToken, "terminated"));
    expect(code(await hello.connect({ key: "doc", spawn: null }))).toBe("key_not_held");
    expect(value(await hello.connect({ key: "doc" })).spawned).toBe(true);
  });
});

describe("spawn: false", () => {
  test("finds the holder and never starts a backend", async ({ cluster }) => {
    const hello = await setUpHolder();
    expect(value(await hello.connect({ key: "doc", spawn: null })).backendId).toBe(hello.backendId);
    expect(code(await hello.connect({ key: "other", spawn: null }))).toBe("key_not_held");
    expect(code(await hello.connect({ spawn: null }))).toBe("bad_request");
    await hello.terminate();
    expect(code(await hello.connect({ key: "doc", spawn: null }))).toBe("key_not_held");
    expect(cluster.of("backend.spawn")).toHaveLength(1);
  });
});

describe("a key whose holder is ending", () => {
  test("is waited for, and given to a new backend when the end is reported", async ({ cluster }) => {
    const hello = await setUpHolder();
    await hello.terminate();
    const { answer } = await connectThatWaits(cluster, hello);
    expect(cluster.of("backend.spawn")).toHaveLength(1);
    value(await hello.report(hello.backendId, hello.fencingToken, "terminated"));
    const connection = value(await answer);
    expect(connection.spawned).toBe(true);
    expect(connection.backendId).not.toBe(hello.backendId);
  });

  test("is waited for when the cluster itself has reported that it ends", async () => {
    const hello = await setUpHolder();
    value(await hello.report(hello.backendId, hello.fencingToken, "terminating"));
    await freeze(hello);
    const answer = hello.connect({ key: "doc" });
    await vi.waitUntil(() => vi.getTimerCount() === 1);
    value(await hello.report(hello.backendId, hello.fencingToken, "terminated"));
    expect(value(await answer).spawned).toBe(true);
  });

  test("is given to one backend when many wait for it", async ({ cluster }) => {
    const hello = await setUpHolder();
    await hello.terminate();
    const { answer } = await connectThatWaits(cluster, hello);
    const others = Array.from({ length: 4 }, () => hello.connect({ key: "doc" }));
    await vi.waitUntil(() => vi.getTimerCount() === 5);
    value(await hello.report(hello.backendId, hello.fencingToken, "terminated"));
    const connections = (await Promise.all([answer, ...others])).map(value);
    expect(new Set(connections.map(({ backendId }) => backendId)).size).toBe(1);
    expect(connections.filter(({ spawned }) => spawned)).toHaveLength(1);
  });

  test("is waited for 10 s, and then refused with key_terminating and Retry-After", async ({ cluster }) => {
    const hello = await setUpHolder();
    await hello.terminate();
    const { answer } = await connectThatWaits(cluster, hello);
    // A timeout belongs to the object that set it, and has to fire in there.
    await runInDurableObject(hello.service(), () => {
      vi.advanceTimersByTime(10_000);
    });
    const refused = await answer;
    expect(refused.ok ? null : refused.error).toMatchObject({
      code: "key_terminating",
      details: { backend_id: hello.backendId },
      retryAfterSeconds: expect.any(Number),
    });
    expect(cluster.of("backend.spawn")).toHaveLength(1);
  });

  test("is given to a new backend when Slipway itself takes the holder as ended", async ({ cluster }) => {
    const hello = await setUpHolder();
    value(await hello.service().terminate(hello.backendId, true, caller));
    await cluster.settledOf("backend.terminate", 1);
    const { answer } = await connectThatWaits(cluster, hello);
    value(await hello.service().clusterLost("main", await registrationOf(hello), "lease"));
    expect(value(await answer).spawned).toBe(true);
  });
});

describe("a report under another fencing token", () => {
  test("is not accepted and does not free the key", async () => {
    const hello = await setUpHolder();
    for (const stale of [hello.fencingToken + 1, hello.fencingToken - 1]) {
      expect(value(await hello.report(hello.backendId, stale, "terminated"))).toEqual({
        accepted: false,
        current: "scheduled",
      });
    }
    expect(value(await hello.connect({ key: "doc" })).backendId).toBe(hello.backendId);
  });

  test("is ignored by the service too, whatever a shard may say", async () => {
    const hello = await setUpHolder();
    const end = { status: "terminated", time: Date.now() } as const;
    value(await hello.service().statusReached(hello.backendId, hello.fencingToken + 1, [end], null));
    expect(value(await hello.connect({ key: "doc" })).backendId).toBe(hello.backendId);
    value(await hello.service().statusReached(hello.backendId, hello.fencingToken, [end], null));
    expect(value(await hello.connect({ key: "doc" })).spawned).toBe(true);
  });
});

describe("fencing tokens", () => {
  test("increase from one holder of a key to the next, across an eviction", async () => {
    const hello = await setUpHolder();
    const tokens = [hello.fencingToken];
    for (let i = 0; i < 3; i++) {
      const [live] = value(await hello.service().liveBackends());
      value(await hello.report(live?.info.id ?? "", live?.info.fencingToken ?? 0, "terminated"));
      await evict(hello.service());
      value(await hello.connect({ key: "doc" }));
      const [next] = value(await hello.service().liveBackends());
      tokens.push(next?.info.fencingToken ?? 0);
    }
    expect(tokens).toEqual([...new Set(tokens)].sort((a, b) => a - b));
  });
});
