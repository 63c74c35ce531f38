import { describe, expect, vi } from "vitest";
import { evict, passTime, passTimeRunning } from "../../support/worker/clock.ts";
import { agentOf, notEnded } from "../support/agent.ts";
import { setUpBackend, startBackend } from "../support/backend.ts";
import { test } from "../support/object-test.ts";
import { value } from "../support/service.ts";

/** A cluster with two agents, each of which runs one backend that is old enough to be missed. */
async function setUpTwoAgents() {
  const first = await setUpBackend("first");
  const second = await startBackend(first.hello, "second");
  const agent = agentOf(first.hello);
  const beatFirst = async (backends = [first.reported]) => value(await agent.beat(backends, "agent-1"));
  const beatSecond = async (backends = [second.reported]) => value(await agent.beat(backends, "agent-2"));
  vi.setSystemTime(Date.now() + 40_000);
  return { hello: first.hello, agent, first, second, beatFirst, beatSecond };
}

describe("two agents of one cluster", () => {
  test("that send heartbeats in turn lose nothing of each other's", async () => {
    const { hello, first, second, beatFirst, beatSecond } = await setUpTwoAgents();
    await beatFirst([first.reported, second.reported]);
    for (let i = 0; i < 20; i++) {
      await beatSecond();
      vi.setSystemTime(Date.now() + 5_000);
      await beatFirst();
      vi.setSystemTime(Date.now() + 5_000);
    }
    expect(await notEnded(hello)).toEqual([first.backendId, second.backendId]);
  });

  test("that send heartbeats at once lose nothing of each other's", async () => {
    const { hello, first, second, beatFirst, beatSecond } = await setUpTwoAgents();
    await Promise.all([beatFirst([first.reported, second.reported]), beatSecond()]);
    for (let i = 0; i < 5; i++) {
      vi.setSystemTime(Date.now() + 10_000);
      await Promise.all([beatFirst(), beatSecond(), beatFirst()]);
    }
    expect(await notEnded(hello)).toEqual([first.backendId, second.backendId]);
  });

  test("lose what neither lists any more", async () => {
    const { hello, first, second, beatFirst, beatSecond } = await setUpTwoAgents();
    await beatFirst([first.reported, second.reported]);
    await beatSecond();
    await beatFirst([]);
    expect(await notEnded(hello)).toEqual([second.backendId]);
  });

  test("lose nothing that neither of them has listed yet", async () => {
    const { hello, agent, beatFirst, beatSecond, first, second } = await setUpTwoAgents();
    await beatFirst([first.reported, second.reported]);
    const third = await startBackend(hello, "third");
    vi.setSystemTime(Date.now() + 31_000);
    await beatSecond();
    expect(await notEnded(hello)).toContain(third.backendId);
    value(await agent.beat([first.reported, second.reported], "agent-1"));
    await beatSecond();
    expect(await notEnded(hello)).toContain(third.backendId);
  });

  test("lose nothing until an object that was evicted has received heartbeats of both", async () => {
    const { hello, agent, first, second, beatFirst, beatSecond } = await setUpTwoAgents();
    await beatFirst([first.reported, second.reported]);
    await beatSecond();
    await evict(agent.stub());
    await beatSecond();
    expect(await notEnded(hello)).toEqual([first.backendId, second.backendId]);
    await beatFirst([]);
    expect(await notEnded(hello)).toEqual([second.backendId]);
  });

  test.each(["which knows what it listed", "which was evicted since"])(
    "lose what only one of them listed when it was silent for 60 s: %s, the object notifies the services",
    async (which) => {
      const { hello, agent, first, second, beatFirst, beatSecond } = await setUpTwoAgents();
      await beatFirst([first.reported, second.reported]);
      for (let i = 0; i < 6; i++) {
        vi.setSystemTime(Date.now() + 9_999);
        await beatSecond();
      }
      if (which === "which was evicted since") {
        await evict(agent.stub());
        await beatSecond();
      }
      await passTime(agent.stub(), 5);
      expect(await notEnded(hello)).toEqual([first.backendId, second.backendId]);
      await passTimeRunning(agent.stub(), 1);
      expect(await notEnded(hello)).toEqual([second.backendId]);
      expect(value(await hello.connect({ key: "first" })).spawned).toBe(true);
      expect((await beatFirst()).terminate).toEqual([first.backendId]);
    },
  );

  test("lose what no list has shown once it would have been on one for the whole of a start-up", async ({
    pinned: hello,
  }) => {
    const agent = agentOf(hello);
    for (let i = 0; i < 9; i++) {
      value(await agent.beat([], "agent-1"));
      vi.setSystemTime(Date.now() + 10_000);
      value(await agent.beat([], "agent-2"));
    }
    const { backendId, report } = await startBackend(hello, "doc");
    value(await report({ status: "ready" }));
    for (let i = 0; i < 29; i++) {
      await passTimeRunning(agent.stub(), 10_000);
      value(await agent.beat([], "agent-2"));
    }
    expect(await notEnded(hello)).toEqual([backendId]);
    await passTimeRunning(agent.stub(), 10_000);
    value(await agent.beat([], "agent-2"));
    expect(await notEnded(hello)).toEqual([]);
  });

  test("may both list one backend, and no answer has one of them end it", async () => {
    const { hello, first, second, beatFirst, beatSecond } = await setUpTwoAgents();
    for (let i = 0; i < 3; i++) {
      expect((await beatFirst([first.reported, second.reported])).terminate).toEqual([]);
      expect((await beatSecond([first.reported, second.reported])).terminate).toEqual([]);
    }
    expect(await notEnded(hello)).toEqual([first.backendId, second.backendId]);
  });
});

describe("an agent that restarts under its name", () => {
  test("loses what it has forgotten, and nothing else", async () => {
    const { hello, first, second, agent } = await setUpTwoAgents();
    value(await agent.beat([first.reported, second.reported]));
    vi.setSystemTime(Date.now() + 10_000);
    value(await agent.beat([second.reported]));
    expect(await notEnded(hello)).toEqual([second.backendId]);
  });

  test("loses within five minutes what it forgot before any heartbeat listed it", async ({
    pinned: hello,
  }) => {
    const agent = agentOf(hello);
    const beatFor = async (ms: number) => {
      for (let waited = 0; waited < ms; waited += 10_000) {
        vi.setSystemTime(Date.now() + 10_000);
        value(await agent.beat([]));
      }
    };
    await beatFor(90_000);
    const { backendId, report } = await startBackend(hello, "doc");
    value(await report({ status: "ready" }));
    await beatFor(60_000);
    expect(await notEnded(hello)).toEqual([backendId]);
    await beatFor(5 * 60_000);
    expect(await notEnded(hello)).toEqual([]);
  });
});

describe("a backend whose spawn had to be repeated", () => {
  test("is not lost by a heartbeat that was sent before it arrived, but by one 30 s later", async ({
    pinned: hello,
    cluster,
  }) => {
    const agent = agentOf(hello);
    cluster.script(500);
    const { backendId, reported } = await startBackend(hello, "doc");
    value(await agent.beat([]));
    await passTime(hello.service(), 40_000);
    await cluster.settled(2);
    value(await agent.beat([reported]));
    value(await agent.beat([]));
    expect(await notEnded(hello)).toEqual([backendId]);
    vi.setSystemTime(Date.now() + 30_000);
    value(await agent.beat([]));
    expect(await notEnded(hello)).toEqual([backendId]);
    vi.setSystemTime(Date.now() + 1);
    value(await agent.beat([]));
    expect(await notEnded(hello)).toEqual([]);
  });
});
