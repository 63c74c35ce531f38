import { describe, expect, onTestFinished, test } from "vitest";
import type { RuntimeImage } from "../../../src/agent/runtimes/runtime.ts";
import { spawnData, startCluster } from "../../agent/support/cluster.ts";
import { eventually } from "../../agent/support/eventually.ts";
import { never } from "../../agent/support/streams.ts";
import { useDockerPlaces } from "../../support/docker/tests.ts";

const { places, makePlace, spec } = useDockerPlaces();

const referenceOf = ({ repository, digest }: RuntimeImage) => `${repository}@${digest}`;

async function docker(...args: string[]): Promise<string> {
  const { exitCode, output, stdout } = await places().docker(...args);
  expect(exitCode, output).toBe(0);
  return stdout.trim();
}

async function has(name: string): Promise<boolean> {
  return (await places().docker("image", "inspect", name)).exitCode === 0;
}

async function networks(): Promise<string[]> {
  return (await docker("network", "ls", "--format", "{{.Name}}")).split("\n");
}

describe("the images of an engine", () => {
  test("are where the engine has its data", async () => {
    const { runtime } = await makePlace();
    expect(await runtime.images.folder()).toBe(await docker("info", "--format", "{{.DockerRootDir}}"));
  });

  test("are the agent's where it has pulled them, and not where the engine had them before", async () => {
    await places().engine.empty();
    const { runtime } = await makePlace();
    const { serve: image } = places().images;
    const claimed: string[] = [];
    const pull = () => runtime.pull(image, never, () => claimed.push(referenceOf(image)));
    expect([await pull(), claimed]).toEqual([{ ok: true, value: null }, [referenceOf(image)]]);
    expect(await pull()).toMatchObject({ ok: true });
    expect(claimed).toHaveLength(1);
    const name = runtime.images.nameOf(image);
    const [found, ...others] = await runtime.images.list([
      name,
      `${image.repository}@sha256:${"0".repeat(64)}`,
    ]);
    expect([found?.name, others]).toEqual([name, []]);
    expect(found?.sizeBytes).toBeGreaterThan(500_000);
    expect(await runtime.images.remove(name, () => [])).toBe(true);
    expect(await has(name)).toBe(false);
    expect(await runtime.images.remove(name, () => [])).toBe(true);
  });

  test("stay where a container is made from them, whoever has made it, and under the names that others gave them", async () => {
    const { runtime } = await makePlace();
    const { serve: image } = places().images;
    const name = runtime.images.nameOf(image);
    await runtime.pull(image, never);
    const container = await docker("create", "--network", "none", name);
    expect(await runtime.images.remove(name, () => [])).toBe(false);
    expect(await has(name)).toBe(true);
    await docker("rm", container);
    await docker("tag", name, "mine:now");
    expect(await runtime.images.remove(name, () => [])).toBe(true);
    expect([await has(name), await has("mine:now")]).toEqual([false, true]);
    await docker("image", "rm", "mine:now");
  });
});

test("an agent on a full disk removes its own images, the least recently used first", async () => {
  await places().engine.empty();
  const { runtime, scope } = await makePlace();
  const { serve, env, exit, say } = places().images;
  // The engine had this one before the agent.
  await runtime.pull(say, never);
  const size = Number(await docker("image", "inspect", "--format", "{{.Size}}", referenceOf(say)));
  const totalBytes = 5 * size;
  /** What others have of it, in percent. */
  const disk = { others: 0 };
  const cluster = await startCluster({
    runtime,
    diskMarks: { floor: 0 },
    diskMeter: async () => {
      const ids = (await docker("image", "ls", "--quiet")).split("\n").filter((id) => id !== "");
      const usedBytes = (disk.others / 100) * totalBytes + ids.length * size;
      return { totalBytes, freeBytes: Math.max(0, totalBytes - usedBytes) };
    },
    clock: { imageGcEveryMs: 100 },
  });
  const run = async (image: RuntimeImage) => {
    const { backend_id: id, ...data } = spawnData("serve", { image, key: null, env: { CODE: "0" } });
    expect((await cluster.deliver("backend.spawn", { backend_id: id, ...data })).status).toBe(200);
    return id;
  };
  const live = await run(serve);
  await cluster.reached(live, "ready");
  for (const image of [env, exit, say]) await cluster.reached(await run(image), "terminated");
  await eventually(() => places().containersOf(scope)).toHaveLength(1);
  const there = async () => {
    const names = { serve, env, exit, say };
    const found = await Promise.all(
      Object.entries(names).map(async ([name, image]) => ((await has(referenceOf(image))) ? name : "")),
    );
    return found.filter((name) => name !== "");
  };
  expect(await there()).toEqual(["serve", "env", "exit", "say"]);
  disk.others = 10;
  await eventually(there).toEqual(["serve", "exit", "say"]);
  disk.others = 100;
  await eventually(there).toEqual(["serve", "say"]);
  expect(cluster.slipway.statusesOf(live).at(-1)).toBe("ready");
  disk.others = 0;
  await cluster.reached(await run(env), "terminated");
  expect(await there()).toEqual(["serve", "env", "say"]);
});

describe("the networks of an agent", () => {
  test("go with it where it ends its backends, and only its own", async () => {
    const { runtime, scope } = await makePlace();
    await docker("network", "create", "somebodys");
    onTestFinished(async () => void (await places().docker("network", "rm", "somebodys")));
    const cluster = await startCluster({ runtime });
    const { serve: image } = places().images;
    const data = spawnData("serve", { image, key: null });
    await cluster.deliver("backend.spawn", data);
    await cluster.reached(data.backend_id, "ready");
    expect(await networks()).toContain(`slipway-${scope}`);
    await cluster.agent.close({ backends: "end" });
    const left = await networks();
    expect([left.includes(`slipway-${scope}`), left.includes("somebodys")]).toEqual([false, true]);
  });

  test("that it had before go when no container is in them, the one that it has now stays", async () => {
    const place = await makePlace({ network: `before-${Date.now()}` });
    const { backendId, image } = spec("serve");
    expect(await place.runtime.start(spec("serve", { backendId, image }))).toMatchObject({ ok: true });
    const [before = ""] = (await networks()).filter((name) => name.startsWith("before-"));
    const now = await places().makePlace({ scope: place.scope });
    onTestFinished(() => now[Symbol.asyncDispose]());
    const runtime = now.open();
    const other = spec("serve");
    expect(await runtime.start(other)).toMatchObject({ ok: true });
    const isKnown = () => true;
    await runtime.clear({ isKnown });
    expect(await networks()).toEqual(expect.arrayContaining([before, `slipway-${place.scope}`]));
    for (const id of [backendId, other.backendId]) await runtime.remove(id);
    await runtime.clear({ isKnown });
    const left = await networks();
    expect([left.includes(before), left.includes(`slipway-${place.scope}`)]).toEqual([false, true]);
    await runtime.clear({ isKnown, isClosing: true });
    expect(await networks()).not.toContain(`slipway-${place.scope}`);
  });
});
