import { join } from "node:path";
import { expect, test } from "vitest";
import { leaseFileIn, readLease, writeLease } from "../../../src/agent/control-plane/lease-file.ts";
import { type ClusterOptions, startCluster, type TestCluster, testFolder } from "../support/cluster.ts";
import { spawnData } from "../support/deliveries.ts";
import { eventually } from "../support/eventually.ts";
import { gate } from "../support/gate.ts";
import { fixtureImages } from "../support/images.ts";
import { theCase } from "../support/killable.ts";
import { processesIn } from "../support/quick.ts";

const lost = { status: "terminated", termination_reason: "lost", termination_kind: "hard", exit_code: 137 };

/** A cluster that holds a lease, on a clock that the test sets. */
async function startLeased(options: ClusterOptions = {}) {
  const clock = { nowMs: 1_000_000 };
  const cluster = await startCluster({ ...options, clock: { sinceBootMs: () => clock.nowMs } });
  return {
    ...cluster,
    clock,
    /** Lets more time pass than the lease lasts, with heartbeats on the way that could have renewed it. */
    async outliveLease() {
      for (let steps = 0; steps < 2; steps++) {
        clock.nowMs += (cluster.slipway.leaseSeconds * 1000 * 2) / 3;
        // The agent sends one after another. The first may be of before; when the third is there, the second was answered.
        const { length } = cluster.slipway.heartbeats;
        await eventually(() => cluster.slipway.heartbeats.length).toBeGreaterThan(length + 2);
      }
    },
  };
}

async function spawnAnswer(cluster: TestCluster, key: string | null) {
  const response = await cluster.deliver("backend.spawn", spawnData("serve", { key }));
  return [response.status, response.headers.get("retry-after")];
}

test.for([
  ["401", { status: 401, body: {} }],
  ["503", { status: 503, body: { lease_seconds: 45, terminate: [], unknown: [] } }],
  ["something else than the wire format", { status: 200, body: { lease_seconds: "45" } }],
  ["a page", { status: 200, body: "<html>" }],
] as const)(
  "heartbeats that are answered with %s renew no lease: what has a key is killed",
  async ([, answer]) => {
    const cluster = await startLeased();
    const keyed = await cluster.spawnReady("ignore-sigterm");
    const unkeyed = await cluster.spawnReady("serve", { key: null });
    cluster.slipway.interceptHeartbeat = async () => answer;
    await cluster.outliveLease();
    expect(await cluster.end(keyed)).toMatchObject(lost);
    expect(cluster.slipway.statusesOf(unkeyed).at(-1)).toBe("ready");
    await cluster.get(unkeyed, "/pid");
  },
);

test("without a lease a spawn with a key is left for later, and one without is taken", async () => {
  const cluster = await startLeased();
  cluster.slipway.interceptHeartbeat = async () => ({ status: 503, body: {} });
  await cluster.outliveLease();
  await eventually(() => cluster.events.map(({ event }) => event)).toContain("lease.lost");
  expect(await spawnAnswer(cluster, "doc-9")).toEqual([503, "1"]);
  expect(await spawnAnswer(cluster, null)).toEqual([200, null]);
});

test("an agent that Slipway has never answered takes no spawn with a key", async () => {
  const cluster = await startCluster({ apiUrl: "http://127.0.0.1:1", leased: false });
  expect(await spawnAnswer(cluster, "doc-9")).toEqual([503, "1"]);
  expect(await spawnAnswer(cluster, null)).toEqual([200, null]);
});

test("when a partition heals, the ends are reported and keys are taken again", async () => {
  const cluster = await startLeased();
  const keyed = await cluster.spawnReady();
  const down = async () => ({ status: 503, body: {} });
  cluster.slipway.interceptHeartbeat = down;
  cluster.slipway.answerReport = () => 503;
  await cluster.outliveLease();
  await eventually(() => cluster.slipway.heartbeats.at(-1)?.backends).toMatchObject([
    { id: keyed, status: "terminated" },
  ]);
  expect(cluster.slipway.statusesOf(keyed).at(-1)).toBe("ready");
  cluster.slipway.answerReport = () => 200;
  cluster.slipway.interceptHeartbeat = async () => null;
  expect(await cluster.end(keyed)).toMatchObject(lost);
  const held = () => cluster.events.filter(({ event }) => event === "lease.held").length;
  await eventually(held).toBe(2);
  await cluster.spawnReady("serve", { key: "doc-9" });
});

test("heartbeats that are answered too late to be of use do not keep a key", async () => {
  const cluster = await startLeased();
  const keyed = await cluster.spawnReady();
  const answers = gate();
  cluster.slipway.interceptHeartbeat = async () => {
    await answers.opened;
    return null;
  };
  cluster.clock.nowMs += cluster.slipway.leaseSeconds * 1000;
  expect(await cluster.end(keyed)).toMatchObject(lost);
  answers.open();
});

test("what is being pulled for a key is never started when the lease runs out", async () => {
  const pull = gate();
  const cluster = await startLeased({
    images: async (reference, signal) => {
      await pull.opened;
      return fixtureImages(reference, signal);
    },
  });
  const keyed = await cluster.spawn();
  cluster.slipway.interceptHeartbeat = async () => ({ status: 503, body: {} });
  await cluster.outliveLease();
  expect(await cluster.end(keyed)).toMatchObject({ termination_reason: "lost" });
  pull.open();
  const unkeyed = await cluster.spawnReady("serve", { key: null });
  expect(cluster.starts.map(({ backendId }) => backendId)).toEqual([unkeyed]);
});

test("no key is taken while one that was fenced has not really ended", async () => {
  const dir = await testFolder();
  const processes = processesIn(dir);
  const kill = gate();
  const runtime = {
    ...processes,
    async stop(id: string, kind: "soft" | "hard") {
      await kill.opened;
      await processes.stop(id, kind);
    },
  };
  const cluster = await startLeased({ dir, runtime });
  const keyed = await cluster.spawnReady("serve", { key: "doc-1" });
  cluster.slipway.interceptHeartbeat = async () => ({ status: 503, body: {} });
  await cluster.outliveLease();
  await cluster.reached(keyed, "hard-terminating");
  cluster.slipway.interceptHeartbeat = async () => null;
  const held = () => cluster.events.filter(({ event }) => event === "lease.held").length;
  await eventually(held).toBe(2);
  expect(await spawnAnswer(cluster, "doc-1")).toEqual([503, "1"]);
  kill.open();
  expect(await cluster.end(keyed)).toMatchObject(lost);
  expect(await spawnAnswer(cluster, "doc-1")).toEqual([200, null]);
});

test("an agent that has slept through its lease fences before it goes on, although Slipway answers it", async () => {
  const at = await theCase("serve", { key: "doc-123" });
  at.slipway.leaseSeconds = 1;
  const agent = await at.start();
  await eventually(async () => (await agent.deliver("backend.spawn", at.data)).status).toBe(200);
  await agent.reached(at.id, "ready");
  agent.pause();
  // A true wait: this is about the kernel's clock, which goes on while the process does not, and the shortest lease.
  const pausedAt = performance.now();
  await eventually(() => performance.now() - pausedAt).toBeGreaterThan(1_100);
  agent.resume();
  expect(await agent.end(at.id)).toMatchObject(lost);
  await eventually(at.running).toEqual([]);
});

test("a restarted agent whose lease is still held keeps what has a key", async () => {
  const at = await theCase("serve", { key: "doc-123" });
  const first = await at.start();
  await eventually(async () => (await first.deliver("backend.spawn", at.data)).status).toBe(200);
  await first.reached(at.id, "ready");
  await first.kill();
  at.slipway.interceptHeartbeat = async () => ({ status: 503, body: {} });
  const second = await at.takeOver();
  expect(await second.get(at.id, "/pid")).toBe(at.starts()[0]);
  const spawned = await second.deliver("backend.spawn", spawnData("serve", { key: "other" }));
  expect(spawned.status).toBe(200);
  await second.agent.close();
});

test.for([
  ["has run out", { sentAtMs: 0, forMs: 1 }],
  ["is of another boot", { boot: "another" }],
] as const)("a restarted agent whose lease %s kills what has a key, and nothing else", async ([, change]) => {
  const at = await theCase("serve", { key: "doc-123" });
  const first = await at.start();
  const other = spawnData("serve", { key: null, env: at.data.env });
  await eventually(async () => (await first.deliver("backend.spawn", at.data)).status).toBe(200);
  await first.deliver("backend.spawn", other);
  await first.reached(at.id, "ready");
  await first.reached(other.backend_id, "ready");
  await first.kill();
  const leaseFile = leaseFileIn(join(at.dir, "state"));
  const lease = readLease(leaseFile);
  if (!lease) throw new Error("the agent has kept no lease");
  writeLease(leaseFile, { ...lease, ...change });
  at.slipway.interceptHeartbeat = async () => ({ status: 503, body: {} });
  const second = await at.takeOver({ clock: { leaseCheckEveryMs: 600_000 } });
  expect((await second.deliver("backend.spawn", spawnData("serve", { key: "new" }))).status).toBe(503);
  expect(await second.end(at.id)).toMatchObject(lost);
  expect(await second.get(other.backend_id, "/pid")).toBe((await at.running())[0]);
  await second.agent.close();
});
