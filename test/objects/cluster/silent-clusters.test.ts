import { env } from "cloudflare:workers";
import { describe, expect, vi } from "vitest";
import { fail } from "../../../src/domain/result.ts";
import { Service } from "../../../src/objects/service/service.ts";
import { serviceStub } from "../../../src/objects/stubs.ts";
import { evict, passTime, passTimeRunning, wakesIn } from "../../support/worker/clock.ts";
import { agentOf, breakTable, listed, notEnded, register } from "../support/agent.ts";
import { startBackend } from "../support/backend.ts";
import { failureLines } from "../support/failure-lines.ts";
import { test } from "../support/object-test.ts";
import { caller, connectParams, digestNumber, value } from "../support/service.ts";

const everything = { limit: 50 };

describe("the lists of live backends", () => {
  test("leave a cluster's backends out while it is silent for longer than the lease, and show them again after", async ({
    keyedBackend: { hello, backendId, reported },
  }) => {
    const agent = agentOf(hello);
    value(await agent.beat([reported]));
    await passTimeRunning(agent.stub(), 44_999);
    expect(await listed(hello)).toEqual([backendId]);
    await passTimeRunning(agent.stub(), 1);
    expect(await listed(hello)).toEqual([]);
    expect(value(await hello.service().listBackends(everything)).items).toEqual([]);
    expect(value(await hello.connect({ key: "doc" })).backendId).toBe(backendId);
    await passTimeRunning(agent.stub(), 14_999);
    value(await agent.beat([reported]));
    expect(await listed(hello)).toEqual([backendId]);
    expect(value(await hello.service().listBackends(everything)).items).toHaveLength(1);
  });

  test("leave them out although the cluster's object was evicted", async ({
    keyedBackend: { hello, reported },
  }) => {
    const agent = agentOf(hello);
    value(await agent.beat([reported]));
    await evict(agent.stub());
    vi.setSystemTime(Date.now() + 45_000);
    expect(await listed(hello)).toEqual([]);
  });

  test("leave out what only a silent agent ran, while another keeps the cluster alive", async ({
    keyedBackend: { hello, reported },
  }) => {
    const other = await startBackend(hello, "other");
    const agent = agentOf(hello);
    value(await agent.beat([reported], "agent-1"));
    for (let i = 0; i < 5; i++) {
      vi.setSystemTime(Date.now() + 9_000);
      expect(await listed(hello)).toHaveLength(i < 4 ? 2 : 1);
      value(await agent.beat([other.reported], "agent-2"));
    }
    expect(await listed(hello)).toEqual([other.backendId]);
    expect(await notEnded(hello)).toHaveLength(2);
  });

  test("show what runs in other clusters, and what is younger than the lease", async ({
    keyedBackend: { hello, reported },
  }) => {
    value(await register(hello, "second"));
    const elsewhere = value(await hello.connect({ spawn: { cluster: "second" } }));
    const agent = agentOf(hello);
    value(await agent.beat([reported]));
    vi.setSystemTime(Date.now() + 1_000);
    const young = await startBackend(hello, "young");
    await passTimeRunning(agent.stub(), 44_000);
    expect(await listed(hello)).toEqual([elsewhere.backendId, young.backendId]);
    await passTimeRunning(agent.stub(), 1_000);
    expect(await listed(hello)).toEqual([elsewhere.backendId]);
  });

  test("show what runs in a cluster that never sent a heartbeat", async ({
    keyedBackend: { hello, backendId },
  }) => {
    vi.setSystemTime(Date.now() + 3_600_000);
    expect(await listed(hello)).toEqual([backendId]);
  });

  test("show what was started in a cluster after it was lost: nobody has judged it", async ({
    keyedBackend: { hello, reported },
  }) => {
    const agent = agentOf(hello);
    value(await agent.beat([reported]));
    await passTimeRunning(agent.stub(), 60_000);
    const { backendId } = await startBackend(hello, "later");
    vi.setSystemTime(Date.now() + 100_000);
    expect(await listed(hello)).toEqual([backendId]);
  });
});

describe("a cluster that is lost", () => {
  test("is reported to every service, again to those that did not receive it, and to none after a heartbeat", async ({
    keyedBackend: { hello, reported },
  }) => {
    value(await hello.accountObject.createService({ name: "other" }, caller));
    const other = serviceStub(env, hello.account, "other");
    value(await other.recordImage({ digest: digestNumber(1), tag: "latest" }, caller));
    const { backendId } = value(await other.connectBackend(connectParams(), caller));
    const agent = agentOf(hello);
    value(await agent.beat([reported, { ...reported, id: backendId, fencing_token: 1 }]));
    const mend = await breakTable(hello.service(), "backends");
    await passTimeRunning(agent.stub(), 60_000);
    expect(await notEnded(hello, "other")).toEqual([]);
    await mend();
    expect(await notEnded(hello)).toHaveLength(1);
    expect(await passTime(agent.stub(), 2_000)).toBe(true);
    expect(await notEnded(hello)).toEqual([]);
    // Its log of deliveries is looked through after seven days, and nothing else is left to do.
    expect(await wakesIn(agent.stub())).toBeGreaterThan(6 * 24 * 3600 * 1000);
  });

  test("is reported again to a service that refused to give up its backends", async ({
    keyedBackend: { hello, reported },
  }) => {
    const agent = agentOf(hello);
    value(await agent.beat([reported]));
    const lines = failureLines();
    const clusterLost = vi
      .spyOn(Service.prototype, "clusterLost")
      .mockImplementationOnce(async () => fail("internal_error", "not now"));
    await passTimeRunning(agent.stub(), 60_000);
    expect(lines()).toMatchObject([
      { event: "unclassified_error", what: "give up the backends of service hello" },
    ]);
    expect(await notEnded(hello)).toHaveLength(1);
    await passTime(agent.stub(), 2_000);
    expect(clusterLost).toHaveBeenCalledTimes(2);
    expect(await notEnded(hello)).toEqual([]);
  });

  test("and sends heartbeats again before every service was notified keeps what was not given up yet", async ({
    keyedBackend: { hello, backendId, reported },
  }) => {
    const agent = agentOf(hello);
    value(await agent.beat([reported]));
    const mend = await breakTable(hello.service(), "backends");
    await passTimeRunning(agent.stub(), 60_000);
    await mend();
    value(await agent.beat([reported]));
    await passTime(agent.stub(), 2_000);
    expect(await listed(hello)).toEqual([backendId]);
  });

  test("is lost once: what was started since then waits for a heartbeat", async ({
    keyedBackend: { hello, reported },
  }) => {
    const agent = agentOf(hello);
    value(await agent.beat([reported]));
    await passTimeRunning(agent.stub(), 60_000);
    const { backendId, reported: later } = await startBackend(hello, "later");
    await passTimeRunning(agent.stub(), 600_000);
    expect(await notEnded(hello)).toEqual([backendId]);
    value(await agent.beat([later]));
    expect(await notEnded(hello)).toEqual([backendId]);
    value(await agent.beat([]));
    expect(await notEnded(hello)).toEqual([]);
    await passTimeRunning(agent.stub(), 60_000);
    const again = await startBackend(hello, "again");
    value(await agent.beat([again.reported]));
    await passTimeRunning(agent.stub(), 45_000);
    expect(await listed(hello)).toEqual([]);
    await passTimeRunning(agent.stub(), 15_000);
    expect(await notEnded(hello)).toEqual([]);
  });
});
