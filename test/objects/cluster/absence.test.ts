import { describe, expect } from "vitest";
import { evict, passTime, passTimeRunning } from "../../support/worker/clock.ts";
import { agentOf, listed, notEnded } from "../support/agent.ts";
import { setUpBackend, startBackend } from "../support/backend.ts";
import { test } from "../support/object-test.ts";
import { setUpPinned, value } from "../support/service.ts";

const minute = 60_000;
const day = 24 * 60 * minute;
const losses = { limit: 50, type: "cluster.lost" } as const;

/** A cluster that runs a backend with a key and one without, both listed; that the latter is ready was not reported yet. */
async function setUpRunning() {
  const keyed = await setUpBackend("doc");
  const { hello } = keyed;
  value(await keyed.report({ status: "ready" }));
  const unkeyed = await startBackend(hello);
  const agent = agentOf(hello);
  const lists = [keyed.reported, unkeyed.reported];
  value(await agent.beat(lists));
  return { hello, agent, lists, unkeyed, ids: [keyed.backendId, unkeyed.backendId] };
}

type Running = Awaited<ReturnType<typeof setUpRunning>>;

/** Stops the control plane for a while: nothing arrives, and no alarm rings before it is back. */
async function stop({ hello, agent }: Running, ms: number, memory: string): Promise<void> {
  if (memory === "anew") for (const stub of [hello.service(), agent.stub()]) await evict(stub);
  await passTime(agent.stub(), ms);
  await passTime(hello.service(), 0);
}

describe.for([1, 3, 60])("a control plane that was stopped for %i minutes", (minutes) => {
  test.for(["anew", "with all that it had in memory"])(
    "and goes on %s takes no cluster for lost, and ends no backend",
    async (memory, { cluster }) => {
      const running = await setUpRunning();
      const { hello, agent, lists, unkeyed, ids } = running;
      await stop(running, minutes * minute, memory);
      expect(value(await hello.accountObject.getCluster("main"))).toMatchObject({ health: "silent" });
      expect(await listed(hello)).toEqual(ids);
      // Any call that has the services do what is due.
      value(await hello.connect({ key: "other" }));
      await passTimeRunning(agent.stub(), 10_000);
      await passTimeRunning(hello.service(), 10_000);
      expect(value(await agent.beat(lists)).terminate).toEqual([]);
      value(await unkeyed.report({ status: "ready" }));
      for (let i = 0; i < 10; i++) {
        await passTimeRunning(agent.stub(), 10_000);
        await passTimeRunning(hello.service(), 0);
        expect(value(await agent.beat(lists)).terminate).toEqual([]);
      }
      expect(await notEnded(hello)).toEqual(expect.arrayContaining(ids));
      expect(cluster.of("backend.terminate")).toEqual([]);
      expect(value(await hello.accountObject.listEvents(losses)).items).toEqual([]);
    },
  );

  test("gives a cluster whose agent is gone a whole limit from then on, and takes it for lost after that", async () => {
    const running = await setUpRunning();
    const { hello, agent, ids } = running;
    await stop(running, minutes * minute, "anew");
    await passTimeRunning(agent.stub(), minute - 1);
    expect(await notEnded(hello)).toEqual(ids);
    await passTimeRunning(agent.stub(), 1);
    expect(await notEnded(hello)).toEqual([]);
    const { items } = value(await hello.accountObject.listEvents(losses));
    expect(items.map(({ time }) => Date.parse(time))).toEqual([Date.now()]);
  });

  test("waits as long for an agent that did not come back with the others", async () => {
    const running = await setUpRunning();
    const { hello, agent, ids, lists } = running;
    value(await agent.beat([], "agent-2"));
    await stop(running, minutes * minute, "anew");
    for (let i = 0; i < 6; i++) {
      value(await agent.beat([], "agent-2"));
      expect(await notEnded(hello)).toEqual(ids);
      await passTimeRunning(agent.stub(), i === 5 ? 9_999 : 10_000);
    }
    expect(value(await agent.beat(lists)).terminate).toEqual([]);
    expect(await notEnded(hello)).toEqual(ids);
  });
});

test("a control plane that is stopped again and again gives every cluster a whole limit after each time", async () => {
  const running = await setUpRunning();
  const { hello, agent, ids } = running;
  for (let i = 0; i < 5; i++) {
    await stop(running, 3 * minute, "anew");
    await passTimeRunning(agent.stub(), minute - 1);
  }
  expect(await notEnded(hello)).toEqual(ids);
  await passTimeRunning(agent.stub(), 1);
  expect(await notEnded(hello)).toEqual([]);
});

test("each loss of a cluster is dated by itself, however long the one before is past", async ({
  keyedBackend: { hello, reported },
}) => {
  const agent = agentOf(hello);
  const lostAt: number[] = [];
  for (let i = 0; i < 3; i++) {
    value(await agent.beat([reported]));
    await passTimeRunning(agent.stub(), minute);
    lostAt.unshift(Date.now());
    await passTimeRunning(agent.stub(), 14 * day);
  }
  const { items } = value(await hello.accountObject.listEvents(losses));
  expect(items.map(({ time }) => Date.parse(time))).toEqual(lostAt);
});

test.for(["in order", "the last first"])(
  "fifty agents that begin one by one, %s, lose nothing of what was running before",
  async (order) => {
    const hello = await setUpPinned();
    const agents: { name: string; lists: Awaited<ReturnType<typeof startBackend>>["reported"][] }[] = [];
    for (let n = 0; n < 50; n++) {
      const backends = [await startBackend(hello), await startBackend(hello)];
      for (const { report } of backends) value(await report({ status: "ready" }));
      agents.push({ name: `agent-${n}`, lists: backends.map(({ reported }) => reported) });
    }
    const ids = await notEnded(hello);
    expect(ids).toHaveLength(100);
    const agent = agentOf(hello);
    await passTime(hello.service(), 10 * minute);
    for (const { name, lists } of order === "in order" ? agents : agents.toReversed()) {
      expect(value(await agent.beat(lists, name)).terminate).toEqual([]);
      await passTimeRunning(agent.stub(), 800);
    }
    expect(await notEnded(hello)).toEqual(ids);
    expect(await listed(hello)).toEqual(ids);
    // What one of them forgets is lost all the same.
    const [first] = agents;
    value(await agent.beat((first?.lists ?? []).slice(1), "agent-0"));
    expect(await notEnded(hello)).toEqual(ids.slice(1));
  },
);
