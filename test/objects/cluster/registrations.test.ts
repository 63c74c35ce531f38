import { describe, expect, vi } from "vitest";
import { passTimeRunning } from "../../support/worker/clock.ts";
import { agentOf, listed, notEnded, register, registrationOf } from "../support/agent.ts";
import { startBackend } from "../support/backend.ts";
import { test } from "../support/object-test.ts";
import { caller, code, setUpPinned, value } from "../support/service.ts";

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

test("a cluster that was deleted is forgotten with its agents", async ({ hello }) => {
  const agent = agentOf(hello, "main", await registrationOf(hello));
  value(await agent.beat([]));
  value(await hello.accountObject.deleteCluster("main", caller));
  expect(await passTimeRunning(agent.stub(), 60_000)).toBe(true);
  expect(await agent.stub().observe(2)).toEqual({ health: "unknown", agents: [] });
  expect(await passTimeRunning(agent.stub(), 60_000)).toBe(false);
});
