import { expect, onTestFinished, test } from "vitest";
import { startSpec } from "../../../src/agent/backends/start-spec.ts";
import type { Runtime } from "../../../src/agent/runtimes/runtime.ts";
import { spawnWebhookData } from "../../../src/protocol/webhooks/webhook.ts";
import { isListening } from "../../support/listening.ts";
import { startCluster, testFolder, testSlipway } from "../support/cluster.ts";
import { spawnData } from "../support/deliveries.ts";
import { eventually } from "../support/eventually.ts";
import { gate } from "../support/gate.ts";
import { fixtureImages } from "../support/images.ts";
import { processesIn } from "../support/quick.ts";

test("close says at once that it drains, however far away the next heartbeat is", async () => {
  const cluster = await startCluster({ clock: { heartbeatEveryMs: 600_000, closeGraceMs: 600_000 } });
  const id = await cluster.spawnReady("ignore-sigterm");
  const closed = cluster.agent.close();
  await eventually(() => cluster.slipway.heartbeats.map(({ draining }) => draining)).toEqual([
    undefined,
    true,
  ]);
  await cluster.terminate(id, true);
  await closed;
});

test("close with keep leaves a backend as it is to the next start, which serves it and reports nothing twice", async () => {
  const first = await startCluster();
  const { dir, slipway } = first;
  const data = spawnData("exit-on-sigterm");
  await first.deliver("backend.spawn", data);
  await first.knowsAcknowledged(data.backend_id, "ready");
  const pid = await first.get(data.backend_id, "/pid");
  await first.agent.close({ backends: "keep" });

  const second = await startCluster({ dir, slipway });
  expect(await second.get(data.backend_id, "/pid")).toBe(pid);
  expect((await second.deliver("backend.spawn", data)).status).toBe(200);
  expect(second.starts).toEqual([]);
  await second.terminate(data.backend_id, false);
  expect(await second.end(data.backend_id)).toMatchObject({ exit_code: 5 });
  expect(slipway.statusesOf(data.backend_id)).toEqual([
    "loading",
    "starting",
    "waiting",
    "ready",
    "terminating",
    "terminated",
  ]);
});

test("close with keep loses no report that Slipway has not acknowledged", async () => {
  const first = await startCluster();
  const { dir, slipway } = first;
  slipway.answerReport = () => 503;
  const id = await first.spawn("exit-3", { key: null });
  await eventually(() => slipway.heartbeats.at(-1)?.backends[0]?.status).toBe("terminated");
  await first.agent.close({ backends: "keep" });
  slipway.answerReport = () => 200;
  const second = await startCluster({ dir, slipway });
  expect(await second.end(id)).toMatchObject({ exit_code: 3 });
});

test("a pull that is under way at a close with keep starts nothing there, and is begun again by the next", async () => {
  const dir = await testFolder();
  const slipway = await testSlipway();
  const pull = gate();
  const first = await startCluster({
    dir,
    slipway,
    images: async (reference, signal) => {
      await pull.opened;
      return fixtureImages(reference, signal);
    },
  });
  const id = await first.spawn();
  await first.reached(id, "loading");
  await first.agent.close({ backends: "keep" });
  pull.open();

  const second = await startCluster({ dir, slipway });
  await second.reached(id, "ready");
  expect([first.starts.length, second.starts.length]).toEqual([0, 1]);
});

test("a start that is under way at a close with keep is taken over by the next", async () => {
  const dir = await testFolder();
  const slipway = await testSlipway();
  const processes = processesIn(dir);
  const begun = gate();
  const goOn = gate();
  const runtime: Runtime = {
    ...processes,
    async start(spec) {
      begun.open();
      await goOn.opened;
      return processes.start(spec);
    },
  };
  const first = await startCluster({ dir, slipway, runtime });
  const id = await first.spawn();
  await begun.opened;
  await first.knowsAcknowledged(id, "starting");
  const closed = first.agent.close({ backends: "keep" });
  goOn.open();
  await closed;

  const second = await startCluster({ dir, slipway });
  await second.reached(id, "ready");
  expect(second.starts).toEqual([]);
  expect(slipway.statusesOf(id)).toEqual(["loading", "starting", "waiting", "ready"]);
});

test("a second agent over the same state is refused while the first one runs", async () => {
  const first = await startCluster();
  await expect(startCluster({ dir: first.dir })).rejects.toThrow("another agent");
  await first.spawnReady();
});

test("an agent that cannot listen gives up without touching what runs", async () => {
  const first = await startCluster();
  const { dir, slipway } = first;
  const id = await first.spawnReady();
  const pid = await first.get(id, "/pid");
  await first.agent.close({ backends: "keep" });

  const other = await startCluster();
  const port = Number(new URL(other.agent.url).port);
  await expect(startCluster({ dir, slipway, port })).rejects.toMatchObject({ code: "EADDRINUSE" });
  const second = await startCluster({ dir, slipway });
  expect(await second.get(id, "/pid")).toBe(pid);
});

test("an agent whose runtime does not say what it has does not start, and leaves the state to the next", async () => {
  const dir = await testFolder();
  const processes = processesIn(dir);
  const list = () => Promise.reject(new Error("the engine cannot be reached"));
  await expect(startCluster({ dir, runtime: { ...processes, list } })).rejects.toThrow("engine");
  const next = await startCluster({ dir });
  await next.spawnReady();
});

test("what the runtime has and the journal does not know is ended before the agent listens", async () => {
  const dir = await testFolder();
  const processes = processesIn(dir);
  onTestFinished(() => processes.killAll());
  const stray = await processes.start(startSpec(spawnWebhookData.parse(spawnData("grandchild")), () => true));
  if (!stray.ok) throw new Error(stray.error.message);
  await eventually(() => isListening(stray.value.address.port)).toBe(true);
  await startCluster({ dir });
  expect(await isListening(stray.value.address.port)).toBe(false);
  const anew = processesIn(dir);
  expect(await anew.list()).toEqual([]);
});

test("what the journal does not know is ended although the first attempts fail", async () => {
  const dir = await testFolder();
  const processes = processesIn(dir);
  onTestFinished(() => processes.killAll());
  const stray = await processes.start(
    startSpec(spawnWebhookData.parse(spawnData("never-listen")), () => true),
  );
  if (!stray.ok) throw new Error(stray.error.message);
  let failures = 2;
  const stop: typeof processes.stop = async (...args) => {
    if (failures-- > 0) throw new Error("the engine is busy");
    return processes.stop(...args);
  };
  await startCluster({ dir, runtime: { ...processes, stop }, clock: { stopRetryMs: 10 } });
  expect(await stray.value.exited).toBe(137);
  await eventually(() => processes.list()).toEqual([]);
});

test("nothing of an ended backend stays in the runtime", async () => {
  const dir = await testFolder();
  const processes = processesIn(dir);
  const cluster = await startCluster({ dir, runtime: processes });
  const id = await cluster.spawn("exit-3");
  await cluster.end(id);
  await eventually(async () => (await processes.list()).map(({ backendId }) => backendId)).toEqual([]);
});

test("a kill that the runtime fails at is tried again", async () => {
  const dir = await testFolder();
  const processes = processesIn(dir);
  let failures = 2;
  const runtime = {
    ...processes,
    stop: (id: string, kind: "soft" | "hard") =>
      failures-- > 0 ? Promise.reject(new Error("the engine is busy")) : processes.stop(id, kind),
  };
  const cluster = await startCluster({ dir, runtime, clock: { stopRetryMs: 5 } });
  const id = await cluster.spawnReady();
  await cluster.terminate(id, true);
  expect(await cluster.end(id)).toMatchObject({ termination_kind: "hard", exit_code: 137 });
});
