import { env } from "cloudflare:workers";
import { describe, expect, vi } from "vitest";
import { z } from "zod";
import { clusterStub } from "../../../src/objects/stubs.ts";
import { connectAnswer, runningBackendsAnswer } from "../../../src/protocol/jamsocket/v2.ts";
import { heartbeatAnswer, statusReportAnswer } from "../../../src/protocol/v3/agent.ts";
import { backendList } from "../../../src/protocol/v3/backends.ts";
import { clusterList, observedCluster } from "../../../src/protocol/v3/clusters.ts";
import { resolveAnswer } from "../../../src/protocol/v3/services.ts";
import {
  call,
  createAccount,
  createCluster,
  createService,
  refusal,
  send,
} from "../../support/worker/api.ts";
import { passTimeRunning } from "../../support/worker/clock.ts";
import type { ScriptedCluster } from "../../support/worker/scripted-cluster.ts";
import { isolatedClusterTest as test } from "../../support/worker/worker-test.ts";

/** An account with a cluster and a service, and how the cluster's agent sends heartbeats. */
async function setUp() {
  const account = await createAccount();
  const token = account.admin;
  const agentToken = (await createCluster(account)).agent_token;
  const service = await createService(account);
  const json = { digest: `sha256:${"a".repeat(64)}`, tag: "latest" };
  expect((await send(`${service}/images`, { token, json })).status).toBe(201);
  const clusters = `/v3/accounts/${account.name}/clusters`;
  return {
    account,
    token,
    agentToken,
    service,
    clusters,
    connectPath: `/v2/service/${account.name}/hello/connect`,
    beat: (backends: unknown[], more: object = {}) =>
      call(heartbeatAnswer, "/v3/agent/heartbeat", {
        token: agentToken,
        json: { cluster: "main", agent_id: "a", version: "1.2.0", backends, ...more },
      }),
    show: () => call(observedCluster, `${clusters}/main`, { token }),
  };
}

/** Starts a backend, and says how a heartbeat would list it. */
async function startBackend(
  cluster: ScriptedCluster,
  { token, connectPath }: Awaited<ReturnType<typeof setUp>>,
) {
  await call(connectAnswer, connectPath, { token, json: {} });
  const spawned = cluster.of("backend.spawn").at(-1)?.message;
  if (spawned?.type !== "backend.spawn") throw new Error("the cluster received no spawn");
  const { backend_id: id, fencing_token } = spawned.data;
  return { id, status: "ready", fencing_token };
}

describe("a cluster in the API", () => {
  test("is unknown before the first heartbeat, and healthy with its agents after it", async ({ cluster }) => {
    const system = await setUp();
    expect(await system.show()).toMatchObject({ health: "unknown", agents: [] });
    expect(await system.show()).not.toHaveProperty("last_heartbeat_at");
    const backend = await startBackend(cluster, system);
    await system.beat([backend], { capacity: 7 });
    vi.setSystemTime(Date.now() + 5_000);
    await system.beat([], { agent_id: "b", draining: true });
    const { health, last_heartbeat_at, agents } = await system.show();
    expect({ health, last_heartbeat_at }).toEqual({
      health: "healthy",
      last_heartbeat_at: "2030-01-01T00:00:05.000Z",
    });
    const common = { version: "1.2.0" };
    expect(agents).toEqual([
      { ...common, id: "b", last_heartbeat_at: "2030-01-01T00:00:05.000Z", draining: true, backends: 0 },
      {
        ...common,
        id: "a",
        last_heartbeat_at: "2030-01-01T00:00:00.000Z",
        draining: false,
        backends: 1,
        capacity: 7,
      },
    ]);
  });

  test("shows the disk of each agent's machine, as its last heartbeat had it", async () => {
    const system = await setUp();
    const disks = async () => (await system.show()).agents.map(({ id, disk }) => [id, disk]);
    const [half, full] = [
      { free_bytes: 50, total_bytes: 100 },
      { free_bytes: 0, total_bytes: Number.MAX_SAFE_INTEGER },
    ];
    await system.beat([], { agent_id: "a", disk: half });
    await system.beat([], { agent_id: "b" });
    expect(await disks()).toEqual([
      ["a", half],
      ["b", undefined],
    ]);
    await system.beat([], { agent_id: "a", disk: full });
    expect(await disks()).toContainEqual(["a", full]);
    await system.beat([], { agent_id: "a" });
    expect(await disks()).toContainEqual(["a", undefined]);
  });

  test("is draining, silent or lost by what its heartbeats are", async () => {
    const system = await setUp();
    await system.beat([], { draining: true });
    const healths = [];
    for (const ms of [0, 44_999, 1, 14_999, 1]) {
      await passTimeRunning(clusterStub(env, system.account.name, "main"), ms);
      healths.push((await system.show()).health);
    }
    expect(healths).toEqual(["draining", "draining", "silent", "silent", "lost"]);
    const lost = await system.show();
    expect([lost.last_heartbeat_at, lost.agents]).toEqual(["2030-01-01T00:00:00.000Z", []]);
  });

  test("is listed with how it is, each by its own heartbeats", async () => {
    const system = await setUp();
    await createCluster(system.account, "second");
    await system.beat([]);
    const { clusters } = await call(clusterList, `${system.clusters}?limit=2`, { token: system.token });
    expect(clusters.map(({ name, health }) => ({ name, health }))).toEqual([
      { name: "second", health: "unknown" },
      { name: "main", health: "healthy" },
    ]);
  });

  test("that drains refuses spawns with 503 and when to come again, in every version, and `resolve` says why", async () => {
    const system = await setUp();
    await system.beat([], { draining: true });
    const request = { token: system.token, json: {} };
    const spawnPath = `/user/${system.account.name}/service/hello/spawn`;
    for (const path of [system.connectPath, spawnPath]) {
      const { status, code, message, response } = await refusal(path, request);
      expect({ status, code }).toEqual({ status: 503, code: "cluster_unavailable" });
      expect(message).toContain("cluster `main` is draining");
      expect(response.headers.get("retry-after")).toBe("10");
    }
    const path = `${system.service}/environments/default/resolve`;
    const { action, refusals } = await call(resolveAnswer, path, { token: system.token });
    expect({ action, refusals }).toEqual({
      action: "refuse",
      refusals: [{ code: "cluster_unavailable", message: expect.stringContaining("draining") }],
    });
  });

  test("that is silent for longer than its lease has its backends in no list, and again after its next heartbeat", async ({
    cluster,
  }) => {
    const system = await setUp();
    const backend = await startBackend(cluster, system);
    await system.beat([backend]);
    const listed = async () => {
      const { token, account } = system;
      const running = z.object({ running_backends: runningBackendsAnswer.shape.running_backends });
      const old = await Promise.all(
        [`/v2/account/${account.name}/backends`, `/user/${account.name}/backends`].map((path) =>
          call(running, path, { token }),
        ),
      );
      const { backends } = await call(backendList, `${system.service}/backends`, { token });
      return [...old.map(({ running_backends }) => running_backends), backends].map(({ length }) => length);
    };
    expect(await listed()).toEqual([1, 1, 1]);
    vi.setSystemTime(Date.now() + 45_000);
    expect(await listed()).toEqual([0, 0, 0]);
    await system.beat([backend]);
    expect(await listed()).toEqual([1, 1, 1]);
  });
});

describe("a heartbeat", () => {
  test("may list 10,000 backends with the longest of statuses and fencing tokens", async ({ cluster }) => {
    const system = await setUp();
    const unknown = Array.from({ length: 9_999 }, (_, i) => ({
      id: `${"0".repeat(5)}${String(i).padStart(8, "0")}`,
      status: "hard-terminating",
      fencing_token: Number.MAX_SAFE_INTEGER,
    }));
    const backend = await startBackend(cluster, system);
    const more = { agent_id: "x".repeat(100), version: "y".repeat(100), capacity: 10_000, draining: true };
    const answer = await system.beat([backend, ...unknown], more);
    expect(answer.terminate).toHaveLength(9_999);
    expect(answer.terminate).not.toContain(backend.id);
  });

  test("and a report may have fields that are not known yet", async ({ cluster }) => {
    const system = await setUp();
    const backend = await startBackend(cluster, system);
    const colour = { red: [1] };
    const disk = { free_bytes: 1, total_bytes: 2 };
    const beaten = await system.beat([{ ...backend, colour }], { colour, disk: { ...disk, colour } });
    expect(beaten.terminate).toEqual([]);
    expect((await system.show()).agents).toMatchObject([{ backends: 1, disk }]);
    expect((await system.show()).agents[0]?.disk).toEqual(disk);
    const { fencing_token } = backend;
    const reported = await call(statusReportAnswer, `/v3/agent/backends/${backend.id}/status`, {
      token: system.agentToken,
      json: { status: "ready", fencing_token, colour },
    });
    expect(reported).toEqual({ accepted: true, current: "ready" });
  });

  test("of an agent whose cluster was deleted and registered anew is 401", async () => {
    const system = await setUp();
    await system.beat([]);
    const { token, account } = system;
    expect((await send(`${system.clusters}/main`, { method: "DELETE", token })).status).toBe(204);
    const anew = await createCluster(account);
    const json = { cluster: "main", agent_id: "b", version: "1", backends: [] };
    await call(heartbeatAnswer, "/v3/agent/heartbeat", { token: anew.agent_token, json });
    await expect(system.beat([])).rejects.toThrow("401");
    expect((await system.show()).agents.map(({ id }) => id)).toEqual(["b"]);
  });
});
