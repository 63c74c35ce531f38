import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, vi } from "vitest";
import { startupSlackMs } from "../../../src/domain/limits.ts";
import { fail } from "../../../src/domain/result.ts";
import type { ServiceRpc } from "../../../src/objects/contract.ts";
import { Service } from "../../../src/objects/service/service.ts";
import { serviceStub } from "../../../src/objects/stubs.ts";
import { evict, passTime, passTimeRunning } from "../../support/worker/clock.ts";
import { agentOf, breakTable, notEnded, register } from "../support/agent.ts";
import { setUpBackend, startBackend } from "../support/backend.ts";
import { failureLines } from "../support/failure-lines.ts";
import { test } from "../support/object-test.ts";
import { caller, code, connectParams, digestNumber, setUp, value } from "../support/service.ts";

describe("a heartbeat", () => {
  test("is answered with the lease, and a backend that should run is left in peace", async ({
    keyedBackend: { hello, reported },
  }) => {
    expect(value(await agentOf(hello).beat([reported]))).toEqual({
      lease_seconds: 45,
      terminate: [],
      unknown: [],
    });
  });

  test("for another cluster is refused", async ({ hello }) => {
    expect(code(await agentOf(hello).beat([], "agent-1", { cluster: "other" }))).toBe("forbidden");
  });

  test("has the agent end what is unknown, has ended or runs under another fencing token", async ({
    keyedBackend: { hello, backendId, reported },
  }) => {
    const ended = await startBackend(hello);
    value(await hello.report(ended.backendId, ended.reported.fencing_token, "terminated"));
    const never = { ...reported, id: backendId.slice(0, 5) + "0".repeat(8) };
    const noService = { ...reported, id: "zzzzz00000000" };
    const other = await startBackend(hello);
    const stale = { ...other.reported, fencing_token: other.reported.fencing_token + 1 };
    const answer = value(await agentOf(hello).beat([reported, ended.reported, never, noService, stale]));
    expect(answer.terminate.toSorted()).toEqual(
      [ended.backendId, never.id, noService.id, other.backendId].toSorted(),
    );
    expect(answer.unknown).toEqual(expect.arrayContaining([never.id, noService.id]));
    expect(answer.unknown).not.toContain(other.backendId);
  });

  test("does not have the agent end what it lists as terminated", async ({
    keyedBackend: { hello, backendId, reported },
  }) => {
    const never = { ...reported, id: backendId.slice(0, 5) + "0".repeat(8), status: "terminated" } as const;
    const noService = { ...never, id: "zzzzz00000000" };
    expect(value(await agentOf(hello).beat([never, noService]))).toMatchObject({
      terminate: [],
      unknown: [],
    });
  });

  test("has the agent end what was to end hard 30 s ago and still runs, though no webhook gets through", async ({
    keyedBackend: { hello, backendId, reported },
    cluster,
  }) => {
    const agent = agentOf(hello);
    value(await agent.beat([reported]));
    cluster.always(() => new Response(null, { status: 503 }));
    value(await hello.service().terminate(backendId, true, caller));
    await passTime(hello.service(), 29_999);
    expect(value(await agent.beat([reported])).terminate).toEqual([]);
    await passTime(hello.service(), 1);
    expect(value(await agent.beat([reported]))).toMatchObject({ terminate: [backendId], unknown: [] });
    expect(value(await agent.beat([{ ...reported, status: "terminated" }])).terminate).toEqual([]);
  });

  test("does not learn whether a backend of another account exists", async ({
    keyedBackend: { hello: stranger, reported },
  }) => {
    const hello = await setUp();
    expect(value(await agentOf(hello).beat([reported]))).toMatchObject({
      terminate: [reported.id],
      unknown: [reported.id],
    });
    expect(value(await stranger.service().liveBackends())).toHaveLength(1);
  });

  test("has the agent of one cluster end what another should run", async ({
    keyedBackend: { hello, backendId, reported },
  }) => {
    value(await register(hello, "second"));
    expect(value(await agentOf(hello, "second").beat([reported])).terminate).toEqual([backendId]);
    expect(value(await hello.connect({ key: "doc" })).backendId).toBe(backendId);
  });

  test("that misses a backend older than 30 s ends it as lost, which frees its key", async ({
    keyedBackend: { hello, backendId, reported, history },
  }) => {
    const agent = agentOf(hello);
    value(await agent.beat([reported]));
    vi.setSystemTime(Date.now() + 30_000);
    value(await agent.beat([]));
    expect(value(await hello.connect({ key: "doc" })).backendId).toBe(backendId);
    vi.setSystemTime(Date.now() + 1);
    value(await agent.beat([]));
    await vi.waitFor(async () =>
      expect((await history()).at(-1)).toMatchObject({ status: "terminated", termination_reason: "lost" }),
    );
    expect(value(await hello.connect({ key: "doc" })).spawned).toBe(true);
  });

  test.each(["a new agent", "the first agent after the object was evicted"])(
    "of %s that runs nothing ends what no heartbeat has ever listed, once a start-up is over",
    async (which) => {
      const { hello, backendId, report } = await setUpBackend("doc");
      value(await report({ status: "ready" }));
      const agent = agentOf(hello);
      value(await agent.beat([]));
      if (which !== "a new agent") await evict(agent.stub());
      const beatFor = async (ms: number) => {
        for (let waited = 0; waited < ms; waited += 10_000) {
          vi.setSystemTime(Date.now() + 10_000);
          value(await agent.beat([], which === "a new agent" ? "agent-2" : "agent-1"));
        }
      };
      await beatFor(300_000);
      expect(await notEnded(hello)).toEqual([backendId]);
      await beatFor(20_000);
      expect(await notEnded(hello)).toEqual([]);
    },
  );

  test("leaves what no agent has listed and is still starting to its own deadline", async ({
    keyedBackend: { hello, backendId },
    cluster,
  }) => {
    const agent = agentOf(hello);
    for (let i = 0; i < 5; i++) {
      value(await agent.beat([]));
      vi.setSystemTime(Date.now() + 10_000);
    }
    expect(await notEnded(hello)).toEqual([backendId]);
    await passTimeRunning(hello.service(), 250_000 + startupSlackMs);
    await vi.waitFor(() => expect(cluster.of("backend.terminate")).toHaveLength(1));
  });

  test("does not end a backend whose spawn the cluster has not acknowledged yet", async ({
    pinned: hello,
    cluster,
  }) => {
    cluster.script(500);
    const { backendId } = await startBackend(hello);
    const agent = agentOf(hello);
    vi.setSystemTime(Date.now() + 40_000);
    value(await agent.beat([]));
    const live = value(await hello.service().liveBackends());
    expect(live.map(({ info }) => info.id)).toEqual([backendId]);
  });

  test("acknowledges the spawns of the backends that it lists", async ({ pinned: hello, cluster }) => {
    cluster.script(500);
    const { reported } = await startBackend(hello);
    value(await agentOf(hello).beat([reported]));
    await passTime(hello.service(), 1_300);
    await passTime(hello.service(), 5_000);
    expect(cluster.of("backend.spawn")).toHaveLength(1);
  });
});

describe("a heartbeat while a service is in trouble", () => {
  /** Two services that each have a backend whose end the agent does not know of. */
  async function setUpTwoServices() {
    const { hello, backendId, reported } = await setUpBackend("doc");
    value(await hello.accountObject.createService({ name: "other" }, caller));
    const other = serviceStub(env, hello.account, "other");
    value(await other.recordImage({ digest: digestNumber(1), tag: "latest" }, caller));
    const elsewhere = value(await other.connectBackend(connectParams(), caller));
    const stale = { ...reported, fencing_token: 99 };
    const all = [stale, { ...stale, id: elsewhere.backendId }];
    const agent = agentOf(hello);
    value(await agent.beat([]));
    return { hello, agent, all, here: backendId, elsewhere: elsewhere.backendId };
  }

  test("is answered with the lease and what the others say, and with the rest by the next one", async () => {
    const { hello, agent, all, here, elsewhere } = await setUpTwoServices();
    const mend = await breakTable(hello.service(), "backends");
    await evict(hello.service());
    expect(value(await agent.beat(all))).toMatchObject({ lease_seconds: 45, terminate: [elsewhere] });
    await mend();
    expect(value(await agent.beat(all)).terminate.toSorted()).toEqual([here, elsewhere].toSorted());
  });

  test("does not wait for it as long as the agent waits for the heartbeat", { timeout: 30_000 }, async () => {
    const { hello, agent, all, elsewhere } = await setUpTwoServices();
    let isStuck = false;
    const stuck = runInDurableObject(hello.service(), (_, state) => {
      isStuck = true;
      return state.blockConcurrencyWhile(() => new Promise((unstuck) => setTimeout(unstuck, 8_000)));
    });
    await vi.waitFor(() => expect(isStuck).toBe(true));
    expect(value(await agent.beat(all)).terminate).toEqual([elsewhere]);
    await stuck;
    expect(value(await agent.beat(all)).terminate).toHaveLength(2);
  });

  test("retries it until it has answered, although no agent has listed anything of it", async ({
    keyedBackend: { hello, report },
  }) => {
    value(await report({ status: "ready" }));
    const agent = agentOf(hello);
    const mend = await breakTable(hello.service(), "backends");
    for (let i = 0; i < 31; i++) {
      value(await agent.beat([]));
      vi.setSystemTime(Date.now() + 10_000);
    }
    await mend();
    expect(await notEnded(hello)).toHaveLength(1);
    value(await agent.beat([]));
    expect(await notEnded(hello)).toHaveLength(0);
  });

  test("that answers with a failure ends nothing of it, and is retried until it has answered", async ({
    keyedBackend: { hello, backendId, reported },
  }) => {
    const agent = agentOf(hello);
    const stale = { ...reported, fencing_token: 99 };
    const lines = failureLines();
    const services: ServiceRpc = Service.prototype;
    const reconcile = vi
      .spyOn(services, "reconcile")
      .mockImplementation(async () => fail("service_not_found", "service not found"));
    for (const listed of [[stale], []]) {
      expect(value(await agent.beat(listed))).toEqual({ lease_seconds: 45, terminate: [], unknown: [] });
    }
    expect(reconcile).toHaveBeenCalledTimes(2);
    expect(lines()).toMatchObject([
      { event: "unclassified_error", what: "reconcile with service hello", failures: 1 },
      { event: "unclassified_error", what: "reconcile with service hello", failures: 2 },
    ]);
    reconcile.mockRestore();
    expect(value(await agent.beat([stale])).terminate).toEqual([backendId]);
  });

  test("is logged where it begins and where it ends, however many heartbeats fall into it", async ({
    keyedBackend: { hello, reported },
  }) => {
    const agent = agentOf(hello);
    const lines = failureLines();
    const reconcile = vi.spyOn(Service.prototype, "reconcile").mockImplementation(async () => {
      throw Object.assign(new Error("restarting"), { retryable: true });
    });
    for (let i = 0; i < 4; i++) value(await agent.beat([reported]));
    reconcile.mockRestore();
    value(await agent.beat([reported]));
    const facts = { where: `Cluster ${hello.account}/main`, what: "reconcile with service hello" };
    expect(lines()).toMatchObject([
      { event: "unreached", ...facts, failures: 1 },
      { event: "recovered", ...facts, failures: 4 },
    ]);
  });
});

describe("what heartbeats write", () => {
  test("is one row each: the alarm stays where it is until it rings", async ({
    keyedBackend: { hello, reported },
  }) => {
    const agent = agentOf(hello);
    value(await agent.beat([reported]));
    const inspect = () =>
      runInDurableObject(agent.stub(), async (_, { storage }) => {
        const alarmAt = await storage.getAlarm();
        const changes = storage.sql.exec<{ n: number }>("SELECT total_changes() AS n").one().n;
        return { alarmIn: alarmAt === null ? null : alarmAt - Date.now(), changes };
      });
    const { changes } = await inspect();
    for (let i = 0; i < 3; i++) {
      vi.setSystemTime(Date.now() + 10_000);
      value(await agent.beat([reported]));
    }
    expect(await inspect()).toEqual({ alarmIn: 10_000, changes: changes + 3 });
    await passTime(agent.stub(), 10_000);
    expect((await inspect()).alarmIn).toBe(30_000);
  });
});

describe("a cluster whose heartbeats stay away", () => {
  test("is lost after 60 s: its backends end as lost and their keys are free", async ({
    keyedBackend: { hello, backendId, reported, history },
  }) => {
    const agent = agentOf(hello);
    value(await agent.beat([reported]));
    await passTimeRunning(agent.stub(), 59_999);
    expect(value(await hello.connect({ key: "doc" })).backendId).toBe(backendId);
    await passTimeRunning(agent.stub(), 1);
    await vi.waitFor(async () =>
      expect((await history()).at(-1)).toMatchObject({ status: "terminated", termination_reason: "lost" }),
    );
    expect(value(await hello.connect({ key: "doc" })).spawned).toBe(true);
    expect(value(await agent.beat([reported])).terminate).toEqual([backendId]);
  });

  test("is lost although its object was evicted meanwhile", async ({ keyedBackend: { hello, reported } }) => {
    const agent = agentOf(hello);
    value(await agent.beat([reported]));
    await evict(agent.stub());
    expect(await passTimeRunning(agent.stub(), 60_000)).toBe(true);
    expect(value(await hello.service().liveBackends())).toEqual([]);
  });

  test("takes the last backends of a removed service with it, so that a service of that name gets its keys", async ({
    keyedBackend: { hello, reported, history },
  }) => {
    const agent = agentOf(hello);
    value(await agent.beat([reported]));
    value(await hello.accountObject.deleteService("hello", caller));
    await passTimeRunning(agent.stub(), 60_000);
    await vi.waitFor(async () => expect((await history()).at(-1)).toMatchObject({ status: "terminated" }));
  });

  test("is not lost while they come", async ({ keyedBackend: { hello, backendId, reported } }) => {
    const agent = agentOf(hello);
    for (let i = 0; i < 10; i++) {
      value(await agent.beat([reported]));
      await passTimeRunning(agent.stub(), 30_000);
    }
    const live = value(await hello.service().liveBackends());
    expect(live.map(({ info }) => info.id)).toEqual([backendId]);
  });

  test("takes only its own backends with it", async ({ keyedBackend: { hello, reported } }) => {
    value(await register(hello, "second"));
    const elsewhere = value(await hello.connect({ spawn: { cluster: "second" } }));
    const agent = agentOf(hello);
    value(await agent.beat([reported]));
    await passTimeRunning(agent.stub(), 60_000);
    const live = value(await hello.service().liveBackends());
    expect(live.map(({ info }) => info.id)).toEqual([elsewhere.backendId]);
  });

  test("is not judged where it has never sent one", async ({ keyedBackend: { hello, backendId } }) => {
    vi.setSystemTime(Date.now() + 10 * 60_000);
    expect(await passTime(agentOf(hello).stub(), 0)).toBe(false);
    expect(value(await hello.connect({ key: "doc" })).backendId).toBe(backendId);
  });
});
