import { expect, test } from "vitest";
import { isListening } from "../../support/listening.ts";
import { fixtureImages, startCluster } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";
import { gate } from "../support/gate.ts";

test("a spawned backend is reported loading, starting, waiting and ready, in this order", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawnReady();
  expect(cluster.slipway.statusesOf(id)).toEqual(["loading", "starting", "waiting", "ready"]);
  expect(cluster.slipway.acknowledged(id).at(-1)).toEqual({
    status: "ready",
    fencing_token: 4711,
    url: `${cluster.agent.url}/${id}`,
  });
});

test("a backend whose command exits at once is terminated with its exit code and no reason", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawn("exit-3");
  expect(await cluster.end(id)).toEqual({ status: "terminated", fencing_token: 4711, exit_code: 3 });
});

test("a ready backend that exits by itself is terminated with its exit code and no reason", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawnReady("exit-later");
  await fetch(await cluster.address(id, "/exit"));
  expect(await cluster.end(id)).toEqual({ status: "terminated", fencing_token: 4711, exit_code: 7 });
});

test("a backend with an unknown digest is terminated with internalerror and never started", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawn("unknown");
  expect(await cluster.end(id)).toMatchObject({ termination_reason: "internalerror" });
  expect(cluster.starts).toEqual([]);
  const failed = cluster.events.find(({ event }) => event === "backend.failed");
  expect(failed?.fields.error).toMatchObject({ code: "image_not_found" });
});

test("a backend whose program does not exist is terminated with internalerror", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawn("missing-program");
  expect(await cluster.end(id)).toMatchObject({ termination_reason: "internalerror" });
  expect(cluster.slipway.statusesOf(id)).toEqual(["loading", "starting", "terminated"]);
});

test("a backend whose image cannot be looked up is terminated with internalerror", async () => {
  const cluster = await startCluster({ images: () => Promise.reject(new Error("the disk is on fire")) });
  const id = await cluster.spawn();
  expect(await cluster.end(id)).toMatchObject({ termination_reason: "internalerror" });
});

test("a backend that does not answer within its startup timeout is killed for startuptimeout", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawn("never-listen", {
    // A true wait: the limits of a spawn are whole seconds.
    limits: { startup_timeout_seconds: 1, max_idle_seconds: 0 },
  });
  expect(await cluster.end(id)).toEqual({
    status: "terminated",
    fencing_token: 4711,
    termination_reason: "startuptimeout",
    termination_kind: "hard",
    exit_code: 137,
  });
});

test("a soft terminate signals the process and reports the exit code it chose", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawnReady("exit-on-sigterm");
  expect((await cluster.terminate(id, false)).status).toBe(200);
  expect(await cluster.end(id)).toEqual({
    status: "terminated",
    fencing_token: 4711,
    termination_reason: "external",
    termination_kind: "soft",
    exit_code: 5,
  });
  expect(cluster.slipway.statusesOf(id).slice(4)).toEqual(["terminating", "terminated"]);
});

test("a hard terminate kills the process at once", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawnReady("exit-on-sigterm");
  await cluster.terminate(id, true);
  expect(await cluster.end(id)).toMatchObject({ termination_kind: "hard", exit_code: 137 });
  expect(cluster.slipway.statusesOf(id).slice(4)).toEqual(["hard-terminating", "terminated"]);
});

test("a process that ignores SIGTERM is killed when the grace is over", async () => {
  const cluster = await startCluster({ clock: { softTerminationGraceMs: 100 } });
  const id = await cluster.spawnReady("ignore-sigterm");
  await cluster.terminate(id, false);
  expect(await cluster.end(id)).toMatchObject({ termination_kind: "hard", exit_code: 137 });
  expect(cluster.slipway.statusesOf(id).slice(4)).toEqual(["terminating", "hard-terminating", "terminated"]);
});

test("a soft terminate can be made a hard one, and the first reason stays", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawnReady("ignore-sigterm");
  await cluster.terminate(id, false);
  await cluster.deliver("backend.terminate", { backend_id: id, hard: true, reason: "keyexpired" });
  expect(await cluster.end(id)).toMatchObject({ termination_kind: "hard", termination_reason: "external" });
});

test("a stop reaches the descendants of the process", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawnReady("grandchild");
  const port = Number(await cluster.get(id, "/grandchild"));
  expect(await isListening(port)).toBe(true);
  await cluster.terminate(id, true);
  await cluster.end(id);
  await eventually(() => isListening(port)).toBe(false);
});

test("the descendants of a process that exits by itself end with it", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawnReady("grandchild");
  const port = Number(await cluster.get(id, "/grandchild"));
  await fetch(await cluster.address(id, "/exit"));
  await cluster.end(id);
  await eventually(() => isListening(port)).toBe(false);
});

test("a backend that is terminated while its image is pulled is never started", async () => {
  const pull = gate();
  const cluster = await startCluster({
    images: async (reference, signal) => {
      await pull.opened;
      return fixtureImages(reference, signal);
    },
  });
  const id = await cluster.spawn();
  await cluster.reached(id, "loading");
  await cluster.terminate(id, false);
  await cluster.end(id);
  pull.open();
  const other = await cluster.spawnReady();
  expect(cluster.starts.map(({ backendId }) => backendId)).toEqual([other]);
});

test("a backend without connections is swept, and one with an open request is not, whatever else has ended", async () => {
  const cluster = await startCluster();
  // Two true waits: the limits of a spawn are whole seconds.
  const limits = { startup_timeout_seconds: 60, max_idle_seconds: 1 };
  const used = await cluster.spawnReady("serve", { limits });
  const upload = new TransformStream<Uint8Array, Uint8Array>();
  const writer = upload.writable.getWriter();
  const request = fetch(await cluster.address(used, "/echo"), {
    method: "POST",
    body: upload.readable,
    duplex: "half",
  });
  await writer.write(new TextEncoder().encode("begun"));
  const response = await request;
  await (await fetch(await cluster.address(used, "/pid"))).text();

  const idle = await cluster.spawnReady("serve", { limits });
  expect(await cluster.end(idle)).toMatchObject({ termination_reason: "swept", termination_kind: "soft" });
  expect(cluster.slipway.statusesOf(used).at(-1)).toBe("ready");

  await writer.close();
  await response.text();
  expect(await cluster.end(used)).toMatchObject({ termination_reason: "swept" });
});

test("a backend is swept at its lifetime limit", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawn("serve", {
    // A true wait: the limits of a spawn are whole seconds.
    limits: { startup_timeout_seconds: 60, max_idle_seconds: 0, lifetime_limit_seconds: 1 },
  });
  expect(await cluster.end(id)).toMatchObject({ termination_reason: "swept" });
});

test("a lifetime counts from the spawn: a backend that is still starting is swept too", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawn("never-listen", {
    limits: { startup_timeout_seconds: 3600, max_idle_seconds: 0, lifetime_limit_seconds: 1 },
  });
  expect(await cluster.end(id)).toMatchObject({ termination_reason: "swept" });
  expect(cluster.slipway.statusesOf(id)).not.toContain("ready");
});

test("close lets backends end by themselves before it kills them", async () => {
  const cluster = await startCluster({ clock: { closeGraceMs: 600_000 } });
  const id = await cluster.spawnReady("exit-on-sigterm");
  await cluster.agent.close();
  expect(cluster.slipway.acknowledged(id).at(-1)).toMatchObject({ termination_kind: "soft", exit_code: 5 });
});

test("close delivers the last reports although Slipway fails at first", async () => {
  const cluster = await startCluster({ clock: { closeFlushMs: 600_000 } });
  const id = await cluster.spawnReady();
  let failures = 3;
  cluster.slipway.answerReport = ({ body }) => (body.status === "terminated" && failures-- > 0 ? 503 : 200);
  await cluster.agent.close();
  expect(cluster.slipway.statusesOf(id).at(-1)).toBe("terminated");
});

test("close ends every backend, stubborn ones and their descendants too, and reports their ends", async () => {
  const cluster = await startCluster();
  const stubborn = await cluster.spawnReady("ignore-sigterm");
  const parent = await cluster.spawnReady("grandchild");
  const loading = await cluster.spawn("never-listen");
  const ports = [Number(await cluster.get(parent, "/grandchild"))];
  await cluster.agent.close();
  for (const id of [stubborn, parent, loading]) {
    expect(cluster.slipway.acknowledged(id).at(-1)).toMatchObject({
      status: "terminated",
      termination_reason: "external",
    });
  }
  for (const port of ports) await eventually(() => isListening(port)).toBe(false);
  expect(await isListening(Number(new URL(cluster.agent.url).port))).toBe(false);
});
