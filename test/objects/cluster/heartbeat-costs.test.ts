import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, onTestFinished, vi } from "vitest";
import { LiveBackends } from "../../../src/objects/service/live-backends.ts";
import { Service } from "../../../src/objects/service/service.ts";
import { clusterStub } from "../../../src/objects/stubs.ts";
import type { ListedBackend } from "../../../src/protocol/v3/agent.ts";
import { evict } from "../../support/worker/clock.ts";
import { changingAgent } from "../support/agent.ts";
import { metered } from "../support/cost.ts";
import { addBackends } from "../support/many-backends.ts";
import { test } from "../support/object-test.ts";
import type { Hello } from "../support/service.ts";

/** What one heartbeat may cost that changes little: far less than there are backends. */
const few = 20;

/** Live backends as their agents list them, in equal parts of some agents, which have sent heartbeats for a while. */
async function running(hello: Hello, agents: number, each: number) {
  await addBackends(hello, agents * each);
  const rows = await runInDurableObject(hello.service(), (_, { storage }) =>
    storage.sql
      .exec<{ id: string; fencing_token: number }>(
        "SELECT id, fencing_token FROM backends ORDER BY fencing_token",
      )
      .toArray(),
  );
  const lists = Array.from({ length: agents }, (_, i) =>
    rows
      .slice(i * each, (i + 1) * each)
      .map(
        ({ id, fencing_token }): ListedBackend => ({ id, fencing_token, status: "ready", idle_seconds: 0 }),
      ),
  );
  const senders = await Promise.all(lists.map((_, i) => changingAgent(hello, `agent-${i}`)));
  const beatAll = async () => {
    for (const [i, sender] of senders.entries()) await sender.beat(lists[i] ?? []);
    vi.setSystemTime(Date.now() + 10_000);
  };
  // Each becomes an agent's own, which is written, and then is as it was.
  for (let round = 0; round < 3; round++) await beatAll();
  const service = await metered(hello.service());
  const cluster = await metered(clusterStub(env, hello.account, "main"));
  const reconcile = vi.spyOn(Service.prototype, "reconcile");
  const looks = vi.spyOn(LiveBackends.prototype, "get");
  onTestFinished(() => void vi.restoreAllMocks());
  return {
    lists,
    senders,
    beatAll,
    /** What something costs: rows of either object, calls and their size in JSON, and looks at single rows. */
    async cost(action: () => Promise<unknown>) {
      for (const meter of [service, cluster]) meter.reset();
      for (const spy of [reconcile, looks]) spy.mockClear();
      await action();
      return {
        read: service.cost.read + cluster.cost.read,
        // Beside alarms that are overdue, since nothing has them ring here.
        written: [service, cluster]
          .flatMap(({ cost: { rows } }) => Object.entries(rows))
          .reduce((sum, [statement, rows]) => (statement === "setAlarm" ? sum : sum + rows), 0),
        calls: reconcile.mock.calls.length,
        sent: Math.max(...reconcile.mock.calls.map((call) => JSON.stringify(call).length)),
        backends: reconcile.mock.calls.flatMap(([, { updates }]) => updates.flatMap((each) => each.backends))
          .length,
        looks: looks.mock.calls.length,
      };
    },
  };
}

describe("a heartbeat of one agent with 5,000 backends", () => {
  test("in which nothing has changed is one short call, and reads no row", async ({ pinned: hello }) => {
    const { senders, lists, cost } = await running(hello, 1, 5_000);
    const spent = await cost(async () => senders[0]?.beat(lists[0] ?? []));
    expect(spent).toMatchObject({ read: 0, written: 1, calls: 1, backends: 0, looks: 0 });
    expect(spent.sent).toBeLessThan(300);
    expect(senders[0]?.refused).toBe(0);
  });

  test("in which one has changed costs that one", async ({ pinned: hello }) => {
    const { senders, lists, cost } = await running(hello, 1, 5_000);
    const [first, ...others] = lists[0] ?? [];
    const changed = first === undefined ? [] : [{ ...first, idle_seconds: 3 }, ...others];
    const spent = await cost(async () => senders[0]?.beat(changed));
    expect(spent).toMatchObject({ calls: 1, backends: 1 });
    expect(spent.read).toBeLessThan(few);
    expect(spent.looks).toBeLessThan(few);
    expect((await cost(async () => senders[0]?.beat(others))).read).toBeLessThan(few);
  });

  test("is sent whole, once, to a service or a cluster's object that was evicted", async ({
    pinned: hello,
  }) => {
    const { senders, beatAll } = await running(hello, 1, 5_000);
    const reconcile = vi.mocked(Service.prototype.reconcile);
    const sizes = async () => {
      reconcile.mockClear();
      await beatAll();
      return reconcile.mock.calls.map(([, { updates }]) => updates.map(({ backends }) => backends.length));
    };
    await evict(hello.service());
    expect(await sizes()).toEqual([[], [5_000]]);
    expect(await sizes()).toEqual([[]]);
    await evict(clusterStub(env, hello.account, "main"));
    expect(await sizes()).toEqual([[5_000]]);
    expect(senders[0]?.refused).toBe(1);
    expect(await sizes()).toEqual([[]]);
  });
});

describe("the heartbeats of 50 agents with 100 backends each", () => {
  test("in which nothing has changed are a short call each, and read no row", async ({ pinned: hello }) => {
    const { beatAll, cost } = await running(hello, 50, 100);
    const spent = await cost(beatAll);
    expect(spent).toMatchObject({ read: 0, written: 50, calls: 50, backends: 0, looks: 0 });
    expect(spent.sent).toBeLessThan(50 * 100);
  });

  test("in which one each has changed cost these", async ({ pinned: hello }) => {
    const { lists, beatAll, cost } = await running(hello, 50, 100);
    for (const list of lists) for (const each of list.slice(0, 1)) each.idle_seconds = 3;
    const spent = await cost(beatAll);
    expect(spent).toMatchObject({ calls: 50, backends: 50 });
    expect(spent.read).toBeLessThan(50 * few);
    expect(spent.looks).toBeLessThan(50 * few);
  });
});

test("heartbeats of two agents that list the same 2,000 backends judge none of them again", async ({
  pinned: hello,
}) => {
  const { lists, senders, beatAll, cost } = await running(hello, 1, 2_000);
  const other = await changingAgent(hello, "another");
  const beatBoth = async () => {
    await beatAll();
    await other.beat(lists[0] ?? []);
  };
  for (let round = 0; round < 2; round++) await beatBoth();
  expect(await cost(beatBoth)).toMatchObject({ read: 0, written: 2, backends: 0, looks: 0 });
  // Where the one whose they are lists them no more they are the other's.
  await senders[0]?.beat([]);
  expect((await cost(() => other.beat(lists[0] ?? []))).looks).toBeGreaterThan(2_000);
  await other.beat(lists[0] ?? []);
  expect(await cost(() => other.beat(lists[0] ?? []))).toMatchObject({ backends: 0, looks: 0 });
});
