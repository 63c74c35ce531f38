import { expect, onTestFinished, type TestContext, test } from "vitest";
import { mountSmallDisk, whyNoSmallDisk } from "../../support/small-disk.ts";
import { spawnData, startCluster, type TestCluster, testSlipway } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";

/** An agent whose state and processes are on a small disk of their own. */
async function setUp({ skip }: TestContext) {
  const whyNot = whyNoSmallDisk();
  if (whyNot !== null) skip(whyNot);
  const disk = mountSmallDisk(3 * 1024 * 1024);
  onTestFinished(() => disk[Symbol.dispose]());
  const slipway = await testSlipway();
  const start = () => startCluster({ dir: disk.path, slipway, publicUrl: "https://backends.example.com" });
  return { disk, slipway, start };
}

const healthOf = async ({ agent }: TestCluster) => await (await fetch(`${agent.url}/healthz`)).json();
const listed = ({ slipway }: TestCluster) => slipway.heartbeats.at(-1)?.backends.map(({ id }) => id);

test("a full disk ends nothing that runs, loses no end, and refuses spawns for the time being, saying why", async (context) => {
  const { disk, slipway, start } = await setUp(context);
  const first = await start();
  const lives = await first.spawnReady("serve");
  const ends = await first.spawnReady("exit-on-sigterm", { key: null });
  disk.fill();

  expect(await first.get(lives, "/pid")).toBeTypeOf("number");
  const refused = await first.deliver("backend.spawn", spawnData("serve", { key: null }));
  expect(refused.status).toBe(503);
  expect(refused.headers.get("retry-after")).toMatch(/^\d+$/);
  expect(await refused.json()).toMatchObject({
    error: { message: expect.stringContaining("the disk of this") },
  });
  // Its end is not written down: it is begun and reported, and requested again of an agent that starts now.
  expect((await first.terminate(ends, false)).status).toBe(503);
  expect(await first.end(ends)).toMatchObject({ exit_code: 5, termination_reason: "external" });
  expect(await healthOf(first)).toMatchObject({ status: "ok", backends: 1, journal: "failing" });
  await first.agent.close({ backends: "keep" });

  const second = await start();
  expect(await second.get(lives, "/pid")).toBeTypeOf("number");
  await eventually(() => slipway.statusesOf(ends).filter((status) => status === "terminated")).toHaveLength(
    2,
  );
  expect(slipway.acknowledged(ends).at(-1)).toMatchObject({ exit_code: 5 });
  expect(second.starts).toEqual([]);

  disk.makeRoom();
  await eventually(() => healthOf(second)).toMatchObject({ backends: 1, journal: "ok" });
  await eventually(() => listed(second)).toEqual([lives]);
  const next = await second.spawnReady("serve", { key: null });
  await second.agent.close({ backends: "keep" });
  const third = await start();
  await eventually(() => listed(third)?.toSorted()).toEqual([lives, next].toSorted());
});

test("a start that finds no room ends at once, and its output says why", async (context) => {
  const { disk, start } = await setUp(context);
  const cluster = await start();
  const pulled = Promise.withResolvers<void>();
  const { pull } = cluster.runtime;
  cluster.runtime.pull = async (image, signal) => {
    const result = await pull(image, signal);
    await pulled.promise;
    return result;
  };
  const id = await cluster.spawn("serve", { key: null });
  await cluster.reached(id, "loading");
  disk.fill();
  pulled.resolve();
  expect(await cluster.end(id)).toMatchObject({ termination_reason: "internalerror" });
  expect(cluster.events).toContainEqual({
    event: "backend.failed",
    fields: {
      backend_id: id,
      error: { code: "internal_error", message: expect.stringContaining("no space left") },
    },
  });
});
