import { runInDurableObject } from "cloudflare:test";
import { describe, expect, vi } from "vitest";
import type { AttemptResult } from "../../../src/domain/deliveries/delivery.ts";
import {
  keyTerminatingWaitMs,
  leaseSeconds,
  maxIdleSeconds,
  touchAwaitedMs,
  touchedAfterIdleShare,
  touchNotSupportedForMs,
  webhooksAtOnce,
} from "../../../src/domain/limits.ts";
import type { ConnectParams } from "../../../src/objects/contract.ts";
import { endBackend } from "../../../src/objects/service/backends/lifecycle.ts";
import { Touches } from "../../../src/objects/service/deliveries/touches.ts";
import { ServiceState } from "../../../src/objects/service/state.ts";
import { SendQueue } from "../../../src/objects/webhooks/send-queue.ts";
import { evict } from "../../support/worker/clock.ts";
import type { ScriptedCluster } from "../../support/worker/scripted-cluster.ts";
import { agentOf, register } from "../support/agent.ts";
import { startBackend } from "../support/backend.ts";
import { metered } from "../support/cost.ts";
import { test } from "../support/object-test.ts";
import { caller, code, type Hello, setUpPinned, value } from "../support/service.ts";

const second = 1_000;
/** For so long a backend counts as recently active. */
const recentMs = maxIdleSeconds * second * touchedAfterIdleShare;

/** Answers touches, and accepts everything else. */
function answerTouches(
  cluster: ScriptedCluster,
  answer: (backendId: string) => Response | Promise<Response>,
): void {
  cluster.always(({ type, data }) =>
    type === "backend.touch" ? answer(data.backend_id) : Response.json({}),
  );
}

const gone = (status: number) => () => Response.json({ error: { message: "it is gone" } }, { status });

const touches = (cluster: ScriptedCluster) => cluster.of("backend.touch");

/** A ready backend that holds `doc`, whose spawn was `ms` ago. */
async function readyFor(ms: number, hello: Hello, spawn: ConnectParams["spawn"] = {}) {
  const begun = Date.now();
  value(await hello.connect({ key: "doc", spawn }));
  const backend = await startBackend(hello, "doc");
  value(await backend.report({ status: "ready" }));
  vi.setSystemTime(begun + ms);
  return backend;
}

const connect = (hello: Hello, params: Partial<ConnectParams> = {}) =>
  hello.connect({ key: "doc", ...params });

/** Freezes timeouts too, begins a connect, and lets it wait for so many of them. */
async function connectThatWaits(hello: Hello, timers = 1) {
  vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"], now: Date.now() });
  const answer = connect(hello);
  await vi.waitUntil(() => vi.getTimerCount() === timers);
  return { answer };
}

/** A timeout belongs to the object that set it, and has to fire in there. */
const letTimersRing = (hello: Hello, ms: number) =>
  runInDurableObject(hello.service(), () => {
    vi.advanceTimersByTime(ms);
  });

describe("a backend that is handed out", () => {
  const moments: [when: string, ms: number, touched: number][] = [
    ["is not touched right after its spawn", 1_000, 0],
    ["is not touched in the first half of its idle time", recentMs, 0],
    ["is touched after that", recentMs + 1, 1],
    ["is touched when it is about to be swept", maxIdleSeconds * second - 300, 1],
    ["is touched when it should have been swept long ago", 10 * maxIdleSeconds * second, 1],
  ];
  test.for(moments)("%s", async ([, ms, touched], { pinned: hello, cluster }) => {
    const { backendId } = await readyFor(ms, hello);
    expect(value(await connect(hello))).toMatchObject({ backendId, spawned: false, status: "ready" });
    expect(touches(cluster)).toHaveLength(touched);
    expect(cluster.of("backend.spawn")).toHaveLength(1);
  });

  test("is touched once, with a signed webhook that names it, before the connect is answered", async ({
    pinned: hello,
    cluster,
  }) => {
    const { backendId } = await readyFor(recentMs + 1, hello);
    const agent = Promise.withResolvers<void>();
    answerTouches(cluster, () => agent.promise.then(() => Response.json({})));
    let answered = false;
    const answer = connect(hello).finally(() => {
      answered = true;
    });
    await vi.waitFor(() => expect(touches(cluster)).toHaveLength(1));
    expect(answered).toBe(false);
    agent.resolve();
    expect(value(await answer).backendId).toBe(backendId);
    const [touch] = touches(cluster);
    expect(touch?.message).toMatchObject({ type: "backend.touch", data: { backend_id: backendId } });
    expect(touch?.headers["webhook-id"]).toMatch(new RegExp(`^${backendId}_touch_`));
    expect(touch?.headers["webhook-signature"]).toMatch(/^v1,/);
  });

  test("is touched once by all who connect at the same time, and each time anew under another id", async ({
    pinned: hello,
    cluster,
  }) => {
    await readyFor(recentMs + 1, hello);
    for (const connected of await Promise.all(Array.from({ length: 30 }, () => connect(hello)))) {
      expect(value(connected).spawned).toBe(false);
    }
    expect(touches(cluster)).toHaveLength(1);
    vi.setSystemTime(Date.now() + recentMs);
    value(await connect(hello));
    expect(touches(cluster)).toHaveLength(1);
    vi.setSystemTime(Date.now() + 1);
    value(await connect(hello));
    value(await connect(hello));
    expect(touches(cluster)).toHaveLength(2);
    expect(new Set(touches(cluster).map(({ headers }) => headers["webhook-id"])).size).toBe(2);
  });

  test("was active when its touch was sent, and not when it was answered", async ({
    pinned: hello,
    cluster,
  }) => {
    await readyFor(recentMs + 1, hello);
    answerTouches(cluster, () => {
      vi.setSystemTime(Date.now() + 2 * second);
      return Response.json({});
    });
    value(await connect(hello));
    vi.setSystemTime(Date.now() + recentMs - 2 * second + 1);
    value(await connect(hello));
    expect(touches(cluster)).toHaveLength(2);
  });

  test("is not touched by connects alone: what was handed out without a touch is idle as before", async ({
    pinned: hello,
    cluster,
  }) => {
    await readyFor(recentMs, hello);
    value(await connect(hello));
    vi.setSystemTime(Date.now() + 1);
    value(await connect(hello));
    expect(touches(cluster)).toHaveLength(1);
  });

  test("is touched after an eviction too, of which nothing is left but its spawn", async ({
    pinned: hello,
    cluster,
  }) => {
    const backend = await readyFor(recentMs + 1, hello);
    value(await connect(hello));
    await evict(hello.service());
    expect(value(await connect(hello)).backendId).toBe(backend.backendId);
    expect(touches(cluster)).toHaveLength(2);
  });

  test("is never touched where it is never swept for being idle", async ({ pinned: hello, cluster }) => {
    await readyFor(1_000 * recentMs, hello, { maxIdleSeconds: 0 });
    value(await connect(hello));
    expect(touches(cluster)).toEqual([]);
  });

  test("is touched by its own idle time, where its spawn gave it one", async ({ pinned: hello, cluster }) => {
    await readyFor(2_501, hello, { maxIdleSeconds: 5 });
    value(await connect(hello));
    expect(touches(cluster)).toHaveLength(1);
  });

  test("is not touched while it starts: its idle time begins when it is ready", async ({
    pinned: hello,
    cluster,
  }) => {
    value(await connect(hello));
    vi.setSystemTime(Date.now() + recentMs + 1);
    expect(value(await connect(hello)).status).toBe("scheduled");
    expect(touches(cluster)).toEqual([]);
  });

  test("is touched at a cluster that is not waited for, or that drains", async ({ cluster }) => {
    const hello = await setUpPinned({ ack: "async" });
    await readyFor(recentMs + 1, hello);
    value(await agentOf(hello).beat([], "agent-1", { draining: true }));
    value(await connect(hello));
    expect(touches(cluster)).toHaveLength(1);
  });
});

describe("a heartbeat", () => {
  const lists: [what: string, idleSeconds: number | undefined, touched: number][] = [
    ["with a connection spares the touch", 0, 0],
    ["of a backend that was active a moment ago spares the touch", 100, 0],
    ["of a backend that has been idle for long does not", 200, 1],
    ["of an agent that does not say so does not", undefined, 1],
  ];
  test.for(lists)("%s", async ([, idle, touched], { pinned: hello, cluster }) => {
    const backend = await readyFor(10 * recentMs, hello);
    const reported = { ...backend.reported, ...(idle === undefined ? {} : { idle_seconds: idle }) };
    value(await agentOf(hello).beat([reported]));
    value(await connect(hello));
    expect(touches(cluster)).toHaveLength(touched);
  });

  test("that lists another start of the backend says nothing of it", async ({ pinned: hello, cluster }) => {
    const backend = await readyFor(10 * recentMs, hello);
    const stranger = { ...backend.reported, fencing_token: backend.fencingToken + 1, idle_seconds: 0 };
    value(await agentOf(hello).beat([stranger]));
    value(await connect(hello));
    expect(touches(cluster)).toHaveLength(1);
  });
});

describe("a backend whose touch shows that it ends", () => {
  test.for([404, 410])(
    "by %i: its end is waited for, and the key is a new backend's",
    async (status, { pinned: hello, cluster }) => {
      const backend = await readyFor(recentMs + 1, hello);
      answerTouches(cluster, gone(status));
      const { answer } = await connectThatWaits(hello);
      expect(cluster.of("backend.spawn")).toHaveLength(1);
      value(await backend.report({ status: "terminated" }));
      const connection = value(await answer);
      expect(connection.spawned).toBe(true);
      expect(connection.backendId).not.toBe(backend.backendId);
      expect(touches(cluster)).toHaveLength(1);
    },
  );

  test("is waited for 10 s, and then refused with key_terminating", async ({ pinned: hello, cluster }) => {
    const { backendId } = await readyFor(recentMs + 1, hello);
    answerTouches(cluster, gone(410));
    const { answer } = await connectThatWaits(hello);
    await letTimersRing(hello, keyTerminatingWaitMs);
    const refused = await answer;
    expect(refused).toMatchObject({
      ok: false,
      error: { code: "key_terminating", details: { backend_id: backendId } },
    });
  });

  test("holds its key no more for a connect that starts nothing", async ({ pinned: hello, cluster }) => {
    await readyFor(recentMs + 1, hello);
    answerTouches(cluster, gone(410));
    expect(code(await connect(hello, { spawn: null }))).toBe("key_not_held");
  });

  test("is touched again by the next connect: nothing is concluded from an answer for longer", async ({
    pinned: hello,
    cluster,
  }) => {
    const { backendId } = await readyFor(recentMs + 1, hello);
    answerTouches(cluster, gone(410));
    expect(code(await connect(hello, { spawn: null }))).toBe("key_not_held");
    answerTouches(cluster, () => Response.json({}));
    expect(value(await connect(hello)).backendId).toBe(backendId);
  });

  test("is handed out all the same where another agent answers 404, while its own lists it", async ({
    pinned: hello,
    cluster,
  }) => {
    const backend = await readyFor(recentMs + 1, hello);
    value(await agentOf(hello).beat([backend.reported]));
    answerTouches(cluster, gone(404));
    expect(value(await connect(hello)).backendId).toBe(backend.backendId);
    vi.setSystemTime(Date.now() + leaseSeconds * second);
    expect(code(await connect(hello, { spawn: null }))).toBe("key_not_held");
  });

  test("leaves a retry under its Idempotency-Key the answer of the connect that has waited", async ({
    pinned: hello,
    cluster,
  }) => {
    const backend = await readyFor(recentMs + 1, hello);
    answerTouches(cluster, async () => {
      value(await backend.report({ status: "terminated" }));
      return gone(410)();
    });
    const idempotency = { principal: "tokentoken00", key: "once", requestHash: "a".repeat(64) };
    const again = () => hello.service().connectBackend({ key: "doc", spawn: {} }, { ...caller, idempotency });
    const first = value(await again());
    expect(first.spawned).toBe(true);
    expect(first.backendId).not.toBe(backend.backendId);
    expect(value(await again())).toEqual(first);
    expect(cluster.of("backend.spawn")).toHaveLength(2);
  });
});

describe("a backend that ends while it is touched", () => {
  test("is not handed out, whatever the touch was answered", async ({ pinned: hello, cluster }) => {
    const backend = await readyFor(recentMs + 1, hello);
    answerTouches(cluster, async () => {
      value(await backend.report({ status: "terminated" }));
      return Response.json({});
    });
    expect(value(await connect(hello)).spawned).toBe(true);
    expect(cluster.of("backend.spawn")).toHaveLength(2);
  });
});

describe("a cluster that does not know touches", () => {
  test.for([400, 405, 409, 422, 501])(
    "and answers %i has its backend handed out, and is sent none for a while",
    async (status, { pinned: hello, cluster }) => {
      const { backendId } = await readyFor(recentMs + 1, hello);
      answerTouches(cluster, () => Response.json({ error: { message: "unknown type" } }, { status }));
      for (const wait of [0, 1, touchNotSupportedForMs - 2]) {
        vi.setSystemTime(Date.now() + wait);
        expect(value(await connect(hello)).backendId).toBe(backendId);
        expect(touches(cluster)).toHaveLength(1);
      }
      vi.setSystemTime(Date.now() + 1);
      expect(value(await connect(hello)).backendId).toBe(backendId);
      expect(touches(cluster)).toHaveLength(2);
    },
  );

  test("does not keep another one from being sent them", async ({ pinned: hello, cluster }) => {
    value(await register(hello, "other", "https://cluster.test/other"));
    await readyFor(recentMs + 1, hello);
    value(await hello.connect({ key: "elsewhere", spawn: { cluster: "other" } }));
    const live = value(await hello.service().liveBackends());
    const elsewhere = live.find(({ info }) => info.key === "elsewhere")?.info;
    const body = { status: "ready", fencing_token: elsewhere?.fencingToken ?? 0 } as const;
    const id = elsewhere?.id ?? "";
    value(await hello.shard(id).report(hello.account, "hello", "other", id, body));
    answerTouches(cluster, () => new Response(null, { status: 400 }));
    value(await connect(hello));
    vi.setSystemTime(Date.now() + recentMs + 1);
    value(await hello.connect({ key: "elsewhere" }));
    expect(touches(cluster)).toHaveLength(2);
  });
});

describe("a cluster that does not answer", () => {
  const failures: [what: string, answer: () => Response | Promise<Response>][] = [
    ["is away, and what stands before it says so", () => new Response("<html>", { status: 502 })],
    ["is away, and what stands before it has a page", () => new Response("<html>", { status: 404 })],
    ["is busy", () => Response.json({ error: { message: "later" } }, { status: 503 })],
    ["breaks off", () => Promise.reject(new TypeError("Network connection lost."))],
  ];
  test.for(failures)(
    "since it %s has its backend handed out, and the next connect touches again",
    async ([, answer], { pinned: hello, cluster }) => {
      const { backendId } = await readyFor(recentMs + 1, hello);
      answerTouches(cluster, answer);
      expect(value(await connect(hello)).backendId).toBe(backendId);
      expect(value(await connect(hello)).backendId).toBe(backendId);
      expect(touches(cluster)).toHaveLength(2);
    },
  );

  test("holds a connect up for 3 s, and its late answer counts", async ({ pinned: hello, cluster }) => {
    const { backendId } = await readyFor(recentMs + 1, hello);
    const agent = Promise.withResolvers<void>();
    answerTouches(cluster, () => agent.promise.then(() => Response.json({})));
    // The time of the attempt, and that of the connect.
    const { answer } = await connectThatWaits(hello, 2);
    const another = connect(hello);
    await vi.waitUntil(() => vi.getTimerCount() === 3);
    await letTimersRing(hello, touchAwaitedMs);
    for (const connected of [answer, another]) expect(value(await connected).backendId).toBe(backendId);
    expect(touches(cluster)).toHaveLength(1);
    agent.resolve();
    await vi.waitUntil(() => vi.getTimerCount() === 0);
    value(await connect(hello));
    expect(touches(cluster)).toHaveLength(1);
  });
});

describe("touches", () => {
  test("write no more than a connect without one, and are in no log", async ({ pinned: hello, cluster }) => {
    await readyFor(recentMs, hello);
    // The first one has usage counted, and an alarm set for that.
    value(await connect(hello));
    const meter = await metered(hello.service());
    value(await connect(hello));
    const without = meter.cost.rows;
    vi.setSystemTime(Date.now() + 1);
    meter.reset();
    value(await connect(hello));
    expect(touches(cluster)).toHaveLength(1);
    expect(meter.cost.rows).toEqual(without);
    await meter.letPass(60 * second, () => cluster.quiet());
    const log = value(await agentOf(hello).stub().listDeliveries(hello.account, "main", { limit: 200 }));
    expect(log.items.map(({ type }) => type)).not.toContain("backend.touch");
  });

  test("leave nothing in memory of a backend that has ended, also where their answers come after its end", async ({
    pinned: hello,
  }) => {
    const { backendId } = await readyFor(recentMs + 1, hello);
    await runInDurableObject(hello.service(), async (_, { storage }) => {
      const state = new ServiceState(storage);
      const row = state.backend(backendId);
      if (!row) throw new Error("the backend has no row");
      const agent = Promise.withResolvers<AttemptResult>();
      const sent = Promise.withResolvers<void>();
      const now = () => Date.now();
      const touching = new Touches(state, {
        turns: new SendQueue(now, () => false),
        send: () => {
          sent.resolve();
          return agent.promise;
        },
        now,
      });
      state.activity.listed(backendId, 0, now());
      const touch = touching.touch(row);
      await sent.promise;
      state.db.transaction(() => endBackend(state, row, { reason: "external", at: now() }));
      const header = { date: null, retryAfter: null, location: null };
      agent.resolve({ outcome: "response", status: 200, body: "{}", ...header });
      expect(await touch).toBe("alive");
      expect(state.activity.isListed(backendId, now())).toBe(false);
      expect(state.activity.activeAt(row)).toBe(row.created_at);
    });
  });

  test("of many keys have their turns with everything else that is sent", async ({
    pinned: hello,
    cluster,
  }) => {
    const keys = Array.from({ length: 30 }, (_, i) => `doc-${i}`);
    for (const key of keys) {
      const backend = await startBackend(hello, key);
      value(await backend.report({ status: "ready" }));
    }
    vi.setSystemTime(Date.now() + recentMs + 1);
    await cluster.quiet();
    const connected = await Promise.all([...keys.map((key) => hello.connect({ key })), hello.connect()]);
    expect(connected.map((each) => value(each).spawned)).toEqual([...keys.map(() => false), true]);
    expect(touches(cluster)).toHaveLength(keys.length);
    expect(cluster.mostWaiting()).toBeLessThanOrEqual(webhooksAtOnce);
  });
});
