import { expect, test } from "vitest";
import { ClusterLease } from "../../../src/agent/control-plane/lease.ts";
import { healthAnswer } from "../../../src/agent/server/health.ts";
import { startCluster } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";

async function healthOf(url: string): Promise<[number, unknown]> {
  const response = await fetch(`${url}/healthz`);
  return [response.status, await response.json()];
}

test("an agent that serves says whose it is, what it runs and that it holds its lease", async () => {
  const cluster = await startCluster({ agentId: "a-1" });
  await cluster.spawnReady("serve");
  expect(await healthOf(cluster.agent.url)).toEqual([
    200,
    {
      status: "ok",
      cluster: "eu-prod",
      agent_id: "a-1",
      version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
      backends: 1,
      lease: "held",
      journal: "ok",
      draining: false,
    },
  ]);
});

test("what has ended does not count, even where its end was not acknowledged", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawnReady("serve");
  cluster.slipway.answerReport = () => 503;
  await cluster.terminate(id, true);
  await eventually(async () => (await healthOf(cluster.agent.url))[1]).toMatchObject({ backends: 0 });
  expect(cluster.slipway.heartbeats.at(-1)?.backends).toMatchObject([{ id }]);
});

test("a lease is none until Slipway has answered, and expired once it has run out", () => {
  let nowMs = 0;
  const nothing = () => undefined;
  const unused = { keep: nothing, fence: nothing, isFencing: () => false, log: nothing };
  const lease = new ClusterLease({ lease: null, now: () => nowMs, ...unused });
  const backends = { draining: false, list: () => [], writes: { isFailing: false } };
  const said = () => healthAnswer({ cluster: "eu-prod", agentId: "a-1", version: "1", backends, lease }).body;
  expect(said()).toMatchObject({ lease: "none" });
  lease.renew({ sentAtMs: 0, forMs: 45_000 });
  expect(said()).toMatchObject({ lease: "held" });
  nowMs = 45_000;
  expect(said()).toMatchObject({ lease: "expired" });
});

test("an agent that drains is not healthy", async () => {
  const cluster = await startCluster({ clock: { closeGraceMs: 600_000 } });
  const id = await cluster.spawnReady("ignore-sigterm");
  const closed = cluster.agent.close();
  expect(await healthOf(cluster.agent.url)).toMatchObject([503, { status: "draining", draining: true }]);
  await cluster.terminate(id, true);
  await closed;
});
