import { randomBytes } from "node:crypto";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, type TestContext, test } from "vitest";
import { registryClient } from "../../../../../src/agent/registry/client.ts";
import { contentStore } from "../../../../../src/agent/registry/content-store.ts";
import { imageStore, sessionTrees } from "../../../../../src/agent/runtimes/process/images/image-store.ts";
import { processRuntime } from "../../../../../src/agent/runtimes/process/process.ts";
import { mountSmallDisk, whyNoSmallDisk } from "../../../../support/small-disk.ts";
import { eventually } from "../../../support/eventually.ts";
import { imageOf, layerOf } from "../../../support/oci-image.ts";
import { startOciRegistry } from "../../../support/oci-registry.ts";
import { never } from "../../../support/streams.ts";
import { specOf } from "../subject.ts";

const mib = 1024 ** 2;
const programText = "#!/bin/sh\nexec sleep 1000\n";

/** Images are pulled, and of each a copy is ready for its next session; then the disk is full. */
async function fullWith(sizes: Readonly<Record<string, number>>, { skip }: TestContext) {
  const whyNot = whyNoSmallDisk();
  if (whyNot !== null) skip(whyNot);
  const disk = mountSmallDisk(24 * mib);
  onTestFinished(() => disk[Symbol.dispose]());
  const registry = await startOciRegistry();
  const content = contentStore(join(disk.path, "images"));
  const trees = sessionTrees(content, { refillAfterMs: 0 });
  const runtime = processRuntime({
    images: imageStore({ content, registry: registryClient(null), trees }),
    dir: join(disk.path, "processes"),
    pollEveryMs: 10,
  });
  const at = {
    disk,
    images: new Map<string, ReturnType<typeof add>>(),
    spares: () => readdir(join(content.dir, "spares")).catch(() => []),
    sessions: async () => (await readdir(join(disk.path, "processes"))).sort(),
    start: (id: string, image: string) => runtime.start({ ...specOf(id), image: imageCalled(image) }),
    pull: (image: string) => runtime.pull(imageCalled(image), never),
  };
  function add(bytes: number) {
    const padding = { path: "padding", text: randomBytes(bytes / 2).toString("hex") };
    const program = { path: "run", text: programText, mode: 0o755 };
    const { repository, digest } = registry.add(imageOf([layerOf([padding, program])], { Cmd: ["/run"] }));
    return { repository, digest, reference: repository, tag: null };
  }
  function imageCalled(name: string) {
    const image = at.images.get(name) ?? add(mib / 4);
    at.images.set(name, image);
    return image;
  }
  onTestFinished(async () => {
    runtime.killAll();
    await Promise.all((await runtime.list()).map(({ exited }) => exited));
    await trees.discardOf(content.dir);
  });
  for (const [name, bytes] of Object.entries(sizes)) {
    at.images.set(name, add(bytes));
    expect(await at.pull(name)).toMatchObject({ ok: true });
  }
  // Of the first one a session has taken it, and another was made.
  expect(await at.start("before", Object.keys(sizes)[0] ?? "")).toMatchObject({ ok: true });
  await eventually(async () => {
    const copies = (await at.spares()).map((name) => join(content.dir, "spares", name));
    return (await Promise.all(copies.map(bytesOfWhole))).sort();
  }).toEqual(Object.values(sizes).sort());
  return at;
}

/** How long the padding of a copy is, once it is whole: its files appear one by one. */
async function bytesOfWhole(copy: string): Promise<number | null> {
  const [padding, program] = await Promise.all(
    ["padding", "run"].map((name) => stat(join(copy, name)).catch(() => null)),
  );
  return padding && program?.size === programText.length ? padding.size : null;
}

const noRoom = { ok: false, error: { message: expect.stringContaining("no space left") } };

test("a session for which there is no room gets that of the copies that no session has, and else leaves nothing", async (context) => {
  const at = await fullWith({ one: 2 * mib, other: 2 * mib }, context);
  at.disk.fill();
  // It takes the copy that is ready, and there is no room for what else it needs.
  expect(await at.start("first", "one")).toMatchObject({ ok: true });
  expect(await at.spares()).toEqual([]);
  expect(await at.start("second", "one")).toMatchObject(noRoom);
  expect(await at.sessions()).toEqual(["before", "first"]);
  // What would be made ahead again would take what room a session makes.
  expect(await at.spares()).toEqual([]);
  at.disk.makeRoom();
  expect(await at.start("second", "one")).toMatchObject({ ok: true });
});

test("sessions that find no room at the same time share what is given up", async (context) => {
  const at = await fullWith({ one: mib, other: 2 * mib, third: 2 * mib }, context);
  at.disk.fill();
  const started = await Promise.all(["first", "second", "third"].map((id) => at.start(id, "one")));
  expect(started.map(({ ok }) => ok)).toEqual([true, true, true]);
  expect(await at.spares()).toEqual([]);
});

test("an image for which there is no room gets that of the copies that no session has", async (context) => {
  const at = await fullWith({ one: mib, other: mib }, context);
  at.disk.fill();
  expect(await at.pull("new")).toMatchObject({ ok: true });
  at.disk.fill();
  expect(await at.pull("newer")).toMatchObject(noRoom);
  at.disk.makeRoom();
  expect(await at.pull("newer")).toMatchObject({ ok: true });
});
