import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, vi } from "vitest";
import { z } from "zod";
import { fail } from "../../../src/domain/result.ts";
import { Account } from "../../../src/objects/account/account.ts";
import { serviceStub } from "../../../src/objects/stubs.ts";
import { alarmOf, evict, passTime, passTimeRunning } from "../../support/worker/clock.ts";
import { agentOf, breakTable, register } from "../support/agent.ts";
import { setUpBackend } from "../support/backend.ts";
import { failureLines } from "../support/failure-lines.ts";
import { test } from "../support/object-test.ts";
import { caller, code, connectParams, digestNumber, type Hello, value } from "../support/service.ts";

const draining = { draining: true };

/** A cluster that runs a backend with the key `doc`, and whose only agent has just begun to drain. */
async function setUpDraining() {
  const { hello, backendId, reported } = await setUpBackend("doc");
  const agent = agentOf(hello);
  value(await agent.beat([reported]));
  value(await agent.beat([reported], "agent-1", draining));
  return { hello, backendId, reported, agent };
}

/** The account takes the next call of a method, and its answer does not arrive. */
function loseAnswer(method: "setClusterDraining" | "setClusterFence") {
  const take: (this: Account, ...args: never) => Promise<unknown> = Account.prototype[method];
  const lose = async function (this: Account, ...args: unknown[]) {
    await Reflect.apply(take, this, args);
    throw new Error("the answer is lost");
  };
  return vi.spyOn(Account.prototype, method).mockImplementationOnce(lose);
}

/** What the service knows of its cluster's agents. */
function knownOf(hello: Hello) {
  return runInDurableObject(hello.service(), (_, { storage }) => {
    const { config } = storage.sql.exec("SELECT config FROM service").one();
    const { clusters } = z
      .object({ clusters: z.array(z.object({ draining: z.boolean(), fence: z.string() })) })
      .parse(JSON.parse(String(config)));
    return clusters;
  });
}

describe("a cluster whose agents all drain", () => {
  test("starts no backend: a spawn is refused with when to come again, and its webhook is not sent", async ({
    cluster,
  }) => {
    const { hello } = await setUpDraining();
    const sent = cluster.of("backend.spawn").length;
    const refused = await hello.connect();
    expect(refused.ok ? null : refused.error).toMatchObject({
      code: "cluster_unavailable",
      message: expect.stringContaining("cluster `main` is draining"),
      retryAfterSeconds: 10,
    });
    expect(cluster.of("backend.spawn")).toHaveLength(sent);
  });

  test("still hands out the backends that hold keys, and other clusters start what is requested of them", async () => {
    const { hello, backendId } = await setUpDraining();
    value(await register(hello, "second"));
    expect(value(await hello.connect({ key: "doc" })).backendId).toBe(backendId);
    expect(value(await hello.connect({ spawn: { cluster: "second" } })).cluster).toBe("second");
    expect(code(await hello.connect({ key: "new" }))).toBe("cluster_unavailable");
  });

  test("is the reason that `resolve` gives", async () => {
    const { hello } = await setUpDraining();
    const resolved = value(await hello.service().resolve("default", { key: "new" }));
    expect(resolved).toMatchObject({ action: "refuse", cluster: "main" });
    expect(resolved.refusals).toEqual([
      { code: "cluster_unavailable", message: expect.stringContaining("draining") },
    ]);
  });

  test("is known to a service that is created meanwhile", async () => {
    const { hello } = await setUpDraining();
    value(await hello.accountObject.createService({ name: "later" }, caller));
    const later = serviceStub(env, hello.account, "later");
    value(await later.recordImage({ digest: digestNumber(1), tag: "latest" }, caller));
    expect(code(await later.connectBackend(connectParams(), caller))).toBe("cluster_unavailable");
  });

  test("is still draining after every object was evicted", async () => {
    const { hello, agent, reported } = await setUpDraining();
    for (const stub of [hello.service(), hello.accountObject, agent.stub()]) await evict(stub);
    expect(code(await hello.connect())).toBe("cluster_unavailable");
    value(await agent.beat([reported]));
    expect(value(await hello.connect()).spawned).toBe(true);
  });

  test("takes backends again from the first heartbeat that does not drain, of whichever agent", async () => {
    const { hello, agent, reported } = await setUpDraining();
    value(await agent.beat([], "agent-2"));
    expect(value(await hello.connect()).spawned).toBe(true);
    value(await agent.beat([reported], "agent-1", draining));
    expect(value(await hello.connect()).spawned).toBe(true);
    value(await agent.beat([], "agent-2", draining));
    expect(code(await hello.connect())).toBe("cluster_unavailable");
  });

  test("takes backends again when the agent that drained is lost", async () => {
    const { hello, agent } = await setUpDraining();
    await passTimeRunning(agent.stub(), 59_999);
    expect(code(await hello.connect())).toBe("cluster_unavailable");
    await passTimeRunning(agent.stub(), 1);
    expect(value(await hello.connect()).spawned).toBe(true);
  });

  test("begins to drain when the last agent that did not is lost", async () => {
    const { hello, agent, reported } = await setUpDraining();
    value(await agent.beat([], "agent-2"));
    vi.setSystemTime(Date.now() + 40_000);
    value(await agent.beat([reported], "agent-1", draining));
    expect(value(await hello.connect()).spawned).toBe(true);
    await passTimeRunning(agent.stub(), 20_000);
    expect(code(await hello.connect())).toBe("cluster_unavailable");
  });
});

describe("a cluster that could not notify its account that it drains", () => {
  test("has its heartbeats answered all the same, and notifies the account by its alarm", async ({
    keyedBackend: { hello, reported },
  }) => {
    const agent = agentOf(hello, "main", 2);
    value(await agent.beat([reported]));
    const mend = await breakTable(hello.accountObject, "clusters");
    expect(value(await agent.beat([reported], "agent-1", draining)).lease_seconds).toBe(45);
    const wakesAt = await alarmOf(agent.stub());
    expect(wakesAt).toBe(Date.now() + 2_000);
    await mend();
    expect(value(await hello.connect()).spawned).toBe(true);
    await passTime(agent.stub(), 2_000);
    expect(code(await hello.connect())).toBe("cluster_unavailable");
  });

  test("notifies the account again where that refused it, and nothing more where it is not registered there", async ({
    keyedBackend: { hello, reported },
  }) => {
    const agent = agentOf(hello, "main", 2);
    const lines = failureLines();
    const set = vi.spyOn(Account.prototype, "setClusterDraining");
    set.mockImplementationOnce(async () => fail("internal_error", "not now"));
    value(await agent.beat([reported], "agent-1", draining));
    expect(lines()).toMatchObject([
      { event: "unclassified_error", what: "report to the account", failures: 1 },
    ]);
    await passTime(agent.stub(), 2_000);
    expect(code(await hello.connect())).toBe("cluster_unavailable");
    set.mockImplementationOnce(async () => fail("cluster_not_found", "not registered any more"));
    value(await agent.beat([reported]));
    value(await agent.beat([reported]));
    expect(set).toHaveBeenCalledTimes(3);
  });

  test("notifies the account of its present state, not of an earlier one", async ({
    keyedBackend: { hello, reported },
  }) => {
    const agent = agentOf(hello, "main", 2);
    value(await agent.beat([reported]));
    const mend = await breakTable(hello.accountObject, "clusters");
    value(await agent.beat([reported], "agent-1", draining));
    value(await agent.beat([reported]));
    await mend();
    await passTime(agent.stub(), 2_000);
    expect(value(await hello.connect()).spawned).toBe(true);
  });
});

describe("a report that the account has taken, and whose answer was lost,", () => {
  const states = { draining: { draining: true }, taking: {}, proof: { fence: "proof" as const } };

  test.for([
    { from: "taking", lost: "draining", to: "taking" },
    { from: "draining", lost: "taking", to: "draining" },
    { from: "taking", lost: "proof", to: "taking" },
    { from: "proof", lost: "taking", to: "proof" },
    { from: "proof", lost: "draining", to: "proof" },
    { from: "draining", lost: "proof", to: "draining" },
  ] as const)(
    "does not stand once it is $to again: $from, $lost",
    async ({ from, lost, to }, { keyedBackend: { hello, reported } }) => {
      const agent = agentOf(hello);
      value(await agent.beat([reported], "agent-1", states[from]));
      const known = () => knownOf(hello);
      const before = await known();

      const losses = [loseAnswer("setClusterFence"), loseAnswer("setClusterDraining")];
      failureLines();
      value(await agent.beat([reported], "agent-1", states[lost]));
      expect(await known()).not.toEqual(before);
      for (const loss of losses) loss.mockRestore();

      value(await agent.beat([reported], "agent-1", states[to]));
      expect(await known()).toEqual(before);
    },
  );
});
