import { abortAllDurableObjects } from "cloudflare:test";
import { describe, expect, vi } from "vitest";
import { Account } from "../../../src/objects/account/account.ts";
import type { SentAttempts } from "../../../src/objects/contract.ts";
import { passTimeRunning } from "../../support/worker/clock.ts";
import { agentOf, breakTable, listed, notEnded, register, registrationOf } from "../support/agent.ts";
import { startBackend } from "../support/backend.ts";
import { failureLines } from "../support/failure-lines.ts";
import { test } from "../support/object-test.ts";
import { caller, code, type Hello, setUpPinned, value } from "../support/service.ts";
import { storedIn } from "../support/stored.ts";

/** A cluster that was deleted right after a heartbeat, registered again, and runs a backend of its own by now. */
async function setUpAnew({ draining = false } = {}) {
  const hello = await setUpPinned();
  const before = agentOf(hello, "main", await registrationOf(hello));
  value(await before.beat([], "agent-1", { draining }));
  value(await hello.accountObject.deleteCluster("main", caller));
  value(await register(hello, "main"));
  const { backendId, reported } = await startBackend(hello, "doc");
  return { hello, before, backendId, reported, agent: agentOf(hello, "main", await registrationOf(hello)) };
}

describe("a cluster that was deleted and registered again under its name", () => {
  test("is not lost when the heartbeats of the one before have stayed away for 60 s", async () => {
    const { hello, before, backendId } = await setUpAnew();
    await passTimeRunning(before.stub(), 60_000);
    expect(await notEnded(hello)).toEqual([backendId]);
    expect(await passTimeRunning(before.stub(), 60_000)).toBe(false);
  });

  test("is not silent, nor draining, for what the one before was", async () => {
    const { hello, backendId } = await setUpAnew({ draining: true });
    vi.setSystemTime(Date.now() + 50_000);
    expect(await listed(hello)).toEqual([backendId]);
    expect(value(await hello.accountObject.getCluster("main"))).toMatchObject({
      health: "unknown",
      agents: [],
    });
    expect(value(await hello.connect()).spawned).toBe(true);
  });

  test("does not begin to drain when the one before is reported to, late", async () => {
    const { hello } = await setUpAnew();
    const registration = await registrationOf(hello);
    const late = await hello.accountObject.setClusterDraining("main", registration - 1, true);
    expect(code(late)).toBe("cluster_not_found");
    expect(value(await hello.connect()).spawned).toBe(true);
    value(await hello.accountObject.setClusterDraining("main", registration, true));
    expect(code(await hello.connect())).toBe("cluster_unavailable");
  });

  test("takes nothing over from the one before: an agent of that one is not waited for", async () => {
    const { hello, agent, reported } = await setUpAnew();
    vi.setSystemTime(Date.now() + 40_000);
    value(await agent.beat([reported], "agent-2"));
    const { agents } = value(await hello.accountObject.getCluster("main"));
    expect(agents.map(({ id }) => id)).toEqual(["agent-2"]);
    value(await agent.beat([], "agent-2"));
    expect(await notEnded(hello)).toEqual([]);
  });

  test("keeps its backends when the loss of the one before is reported late", async () => {
    const { hello, backendId } = await setUpAnew();
    const registration = await registrationOf(hello);
    value(await hello.service().clusterLost("main", registration - 1, "lease"));
    expect(await notEnded(hello)).toEqual([backendId]);
    value(await hello.service().clusterLost("main", registration, "lease"));
    expect(await notEnded(hello)).toEqual([]);
  });

  test("does not listen to an agent of the one before, whose token may still be taken for good", async () => {
    const { hello, before, agent, backendId, reported } = await setUpAnew();
    value(await agent.beat([reported], "agent-2"));
    vi.setSystemTime(Date.now() + 40_000);
    expect(code(await before.beat([]))).toBe("unauthorized");
    value(await agent.beat([reported], "agent-2"));
    expect(await notEnded(hello)).toEqual([backendId]);
    const { agents } = value(await hello.accountObject.getCluster("main"));
    expect(agents).toHaveLength(1);
  });
});

describe("a cluster that was deleted", () => {
  /** With an agent, deliveries in its log, and the registration that it had. */
  async function setUpDeleted() {
    const hello = await setUpPinned();
    const registration = await registrationOf(hello);
    const agent = agentOf(hello, "main", registration);
    value(await agent.beat([]));
    value(await hello.accountObject.testCluster("main"));
    value(await hello.accountObject.deleteCluster("main", caller));
    return { hello, agent, registration };
  }

  const attempt = {
    id: "a",
    type: "cluster.ping",
    attempt: 1,
    durationMs: 1,
    status: 200,
    error: null,
  } as const;
  const attemptsOf = (hello: Hello, registration: number): SentAttempts => ({
    account: hello.account,
    cluster: "main",
    registration,
    service: "hello",
    attempts: [{ ...attempt, time: Date.now() }],
  });

  test("keeps nothing, and its object does not wake any more", async () => {
    const { agent, registration } = await setUpDeleted();
    expect(await storedIn(agent.stub())).toEqual([]);
    expect(await passTimeRunning(agent.stub(), 60_000)).toBe(false);
    expect(await agent.stub().observe(registration)).toEqual({ health: "unknown", agents: [] });
  });

  test.for(["in the same memory", "by an object that has awoken since"])(
    "is not filled again by what comes late, %s",
    async (when) => {
      const { hello, agent, registration } = await setUpDeleted();
      if (when !== "in the same memory") await abortAllDurableObjects();
      expect(code(await agent.beat([]))).toBe("unauthorized");
      await agent.stub().recordAttempts(attemptsOf(hello, registration));
      expect(await storedIn(agent.stub())).toEqual([]);
    },
  );

  test("is not filled again by what the account admitted right before", async () => {
    const hello = await setUpPinned();
    const registration = await registrationOf(hello);
    const agent = agentOf(hello, "main", registration);
    const admitted = Promise.withResolvers<void>();
    const deleted = Promise.withResolvers<void>();
    const { admitRegistration } = Account.prototype;
    const admit = vi.spyOn(Account.prototype, "admitRegistration");
    admit.mockImplementation(async function (this: Account, ...params) {
      const answer = await Reflect.apply(admitRegistration, this, params);
      admitted.resolve();
      await deleted.promise;
      return answer;
    });
    const late = agent.beat([]);
    await admitted.promise;
    value(await hello.accountObject.deleteCluster("main", caller));
    deleted.resolve();
    expect(code(await late)).toBe("unauthorized");
    expect(await storedIn(agent.stub())).toEqual([]);
  });

  test("gives nothing up of the one that was registered after it, when its end is repeated late", async () => {
    const { hello, registration } = await setUpDeleted();
    value(await register(hello, "main"));
    const agent = agentOf(hello);
    value(await agent.beat([]));
    await agent.stub().forget(registration);
    expect(value(await hello.accountObject.getCluster("main")).agents).toHaveLength(1);
    await passTimeRunning(agent.stub(), 60_000);
    expect(value(await hello.accountObject.getCluster("main")).health).toBe("lost");
  });

  test("is no more refused than put off while its deletion is under way", async () => {
    const hello = await setUpPinned();
    value(await register(hello, "second"));
    const agent = agentOf(hello, "second", await registrationOf(hello, "second"));
    const repair = await breakTable(hello.service(), "service");
    failureLines();
    value(await hello.accountObject.deleteCluster("second", caller));
    expect(code(await agent.beat([]))).toBe("unavailable");
    await repair();
  });
});
