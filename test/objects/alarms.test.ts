import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, vi } from "vitest";
import { alarmsAtOnceMax, recoveryDelayMs } from "../../src/domain/limits.ts";
import { Alarm } from "../../src/objects/alarm.ts";
import { Registry } from "../../src/objects/registry/registry.ts";
import { clusterStub, loginStub, registryStub } from "../../src/objects/stubs.ts";
import { formatSigningSecret } from "../../src/protocol/webhooks/signature.ts";
import { evict, passTime, wakesIn } from "../support/worker/clock.ts";
import { agentOf, breakTable, registrationOf } from "./support/agent.ts";
import { startBackend } from "./support/backend.ts";
import { metered } from "./support/cost.ts";
import { test } from "./support/object-test.ts";
import { caller, type Hello, setUpPinned, value } from "./support/service.ts";
import { day } from "./support/usage.ts";

test.for<[how: string, template: string | null]>([
  ["with a URL template", "https://{backend_id}.cluster.test"],
  ["without one", null],
])("a service wakes 1 s ± 20 %% after a failed spawn at a cluster %s", async ([_, template], { cluster }) => {
  const hello = await setUpPinned({ template });
  cluster.script(500);
  await hello.connect();
  expect(await wakesIn(hello.service())).toBeGreaterThanOrEqual(800);
  expect(await wakesIn(hello.service())).toBeLessThanOrEqual(1_200);
});

test("a service that was evicted still wakes for a redelivery when it sets a later alarm", async ({
  pinned: hello,
  cluster,
}) => {
  const { backendId } = value(await hello.connect({ spawn: { lifetimeLimitSeconds: 86_400 } }));
  const [live] = value(await hello.service().liveBackends());
  cluster.script(500);
  value(await hello.connect());
  await evict(hello.service());
  // Its lifetime is a deadline in a day.
  value(await hello.report(backendId, live?.info.fencingToken ?? 0, "ready"));
  expect(await wakesIn(hello.service())).toBeLessThanOrEqual(1_200);
});

test.for(["remembers", "has forgotten"])(
  "a service that %s an alarm which the platform has dropped delivers a failed spawn after a heartbeat",
  async (what, { pinned: hello, cluster }) => {
    cluster.script(500);
    value(await hello.connect());
    await runInDurableObject(hello.service(), (_, state) => state.storage.deleteAlarm());
    if (what === "has forgotten") await evict(hello.service());
    expect(await passTime(hello.service(), 20_000)).toBe(false);

    value(
      await hello.service().reconcile("main", {
        from: null,
        agents: [],
        updates: [],
        watchedFrom: 0,
        unchangedSince: 0,
        fence: "lease",
      }),
    );
    await passTime(hello.service(), 0);
    await cluster.settled(2);
    expect(cluster.of("backend.spawn").length).toBe(2);
  },
);

test("a spawn whose attempt never ends is attempted again, and the outcome of that attempt, when it comes, changes nothing", async ({
  pinned: hello,
  cluster,
}) => {
  const never = Promise.withResolvers<Response>();
  cluster.script(() => never.promise);
  const first = hello.connect();
  await vi.waitFor(() => expect(cluster.of("backend.spawn").length).toBe(1));
  await passTime(hello.service(), recoveryDelayMs);
  await cluster.settled(1);
  expect(cluster.of("backend.spawn").map(({ headers }) => headers["webhook-id"])).toEqual([
    cluster.of("backend.spawn")[0]?.headers["webhook-id"],
    cluster.of("backend.spawn")[0]?.headers["webhook-id"],
  ]);
  never.resolve(new Response(null, { status: 500 }));
  value(await first);
  await passTime(hello.service(), recoveryDelayMs);
  await cluster.quiet();
  expect(cluster.of("backend.spawn").length).toBe(2);
});

/** Something that has an object wake later. */
interface Reason {
  what: string;
  begin(hello: Hello): Promise<DurableObjectStub>;
  /** How many alarms it is worth in 91 days. */
  alarms: number;
}

const reasons: Reason[] = [
  {
    what: "an account whose events grow old",
    begin: async (hello) => hello.accountObject,
    alarms: 1,
  },
  {
    what: "an account that rotated a secret while a service was away",
    async begin(hello) {
      const mend = await breakTable(hello.service(), "service");
      const secret = formatSigningSecret(new Uint8Array(32).fill(2));
      value(await hello.accountObject.rotateSecret("main", secret, caller));
      await mend();
      return hello.accountObject;
    },
    alarms: 6,
  },
  {
    what: "a cluster whose agent falls silent",
    async begin(hello) {
      value(await agentOf(hello).beat([]));
      return clusterStub(env, hello.account, "main");
    },
    alarms: 2,
  },
  {
    what: "a cluster whose log of deliveries grows old",
    async begin(hello) {
      const attempt = { id: "a", type: "cluster.ping", attempt: 1, time: Date.now(), durationMs: 1 } as const;
      await clusterStub(env, hello.account, "main").recordAttempts({
        account: hello.account,
        cluster: "main",
        registration: await registrationOf(hello),
        service: null,
        attempts: [{ ...attempt, status: 200, error: null }],
      });
      return clusterStub(env, hello.account, "main");
    },
    alarms: 1,
  },
  {
    what: "a shard whose ended backends grow old",
    async begin(hello) {
      const backend = await startBackend(hello);
      value(await backend.report({ status: "terminated" }));
      return backend.shard();
    },
    alarms: 1,
  },
  {
    what: "a service with a backend that never starts",
    async begin(hello) {
      value(await hello.connect());
      return hello.service();
    },
    // Two of them for counts that grow old.
    alarms: 7,
  },
  {
    what: "a registry with an upload that nobody goes on with",
    async begin(hello) {
      const registry = registryStub(env, hello.account);
      await registry.beginUpload({ account: hello.account, service: "hello" }, null, "of-a-test");
      return registry;
    },
    alarms: 2,
  },
  {
    what: "a login that is confirmed and never completed",
    async begin(hello) {
      const id = `alarm-${hello.account}`;
      const login = loginStub(env, id);
      const person = { account: hello.account, tokenId: "tokenofada00", expiresAt: Date.now() + 600_000 };
      value(await login.confirm(id, person));
      return login;
    },
    alarms: 1,
  },
];

test.for(reasons)("$what rings few alarms, and no two at one time", async (reason, { pinned, cluster }) => {
  await cluster.quiet();
  const stub = await reason.begin(pinned);
  const meter = await metered(stub);
  await meter.letPass(91 * day, () => cluster.quiet());
  expect(new Set(meter.cost.alarms).size).toBe(meter.cost.alarms.length);
  expect(meter.cost.alarms.length, `alarms rang at ${meter.cost.alarms}`).toBeLessThanOrEqual(reason.alarms);
  expect(meter.cost.alarms.length).toBeGreaterThan(0);
});

test("a registry that has lost its blob store does not wake for the bytes that it could delete", async ({
  hello,
}) => {
  const registry = registryStub(env, hello.account);
  await registry.beginUpload({ account: hello.account, service: "hello" }, null, "of-a-test");
  await runInDurableObject(registry, async (_registry, state) => {
    state.storage.sql.exec("INSERT INTO garbage (key, multipart_id, since) VALUES ('a', NULL, 0)");
    state.storage.sql.exec("DELETE FROM uploads");
    await state.storage.deleteAlarm();
    const { BLOBS: _, ...without } = env;
    await new Registry(state, without).alarm();
    expect(await state.storage.getAlarm()).toBeNull();
  });
});

describe("an alarm that is asked for at a time which is past", () => {
  /** Has an alarm ring so often, each time for work that is still due. @returns after how long each rang */
  function ringing(hello: Hello, times: number, dueAt: () => number): Promise<number[]> {
    return runInDurableObject(hello.service(), async (_, state) => {
      await state.storage.deleteAlarm();
      const alarm = new Alarm(state);
      await state.blockConcurrencyWhile(async () => {});
      const waits: number[] = [];
      for (let i = 0; i < times; i++) {
        alarm.noLaterThan(dueAt());
        const at = (await state.storage.getAlarm()) ?? 0;
        waits.push(Math.max(0, at - Date.now()));
        vi.setSystemTime(Math.max(at, Date.now()));
        await state.storage.deleteAlarm();
        alarm.fired();
      }
      return waits;
    });
  }

  test("again and again rings at once for a while, and then later and later", async ({ hello }) => {
    const past = Date.now() - 1_000;
    const waits = await ringing(hello, alarmsAtOnceMax + 8, () => past);
    expect(waits.slice(0, alarmsAtOnceMax)).toEqual(Array(alarmsAtOnceMax).fill(0));
    expect(waits.slice(alarmsAtOnceMax)).toEqual(
      [1, 2, 4, 8, 16, 32, 60, 60].map((seconds) => seconds * 1000),
    );
  });

  test("rings at once again after one that was asked for in time", async ({ hello }) => {
    const past = Date.now() - 1_000;
    let calls = 0;
    const dueAt = () => (++calls === alarmsAtOnceMax + 2 ? Date.now() + 500 : past);
    const waits = await ringing(hello, alarmsAtOnceMax + 3, dueAt);
    expect(waits.slice(alarmsAtOnceMax)).toEqual([1_000, 500, 0]);
  });
});
