import { writeFileSync } from "node:fs";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { registryClient } from "../../../../../src/agent/registry/client.ts";
import { contentStore } from "../../../../../src/agent/registry/content-store.ts";
import { imageStore, sessionTrees } from "../../../../../src/agent/runtimes/process/images/image-store.ts";
import { keptImages } from "../../../../../src/agent/runtimes/process/images/kept-images.ts";
import { makeFolder } from "../../../../support/folder.ts";
import { digestOfBytes, imageOf, indexOf, layerOf } from "../../../support/oci-image.ts";
import { startOciRegistry } from "../../../support/oci-registry.ts";
import { never } from "../../../support/streams.ts";

const kib = 1024;
const shared = layerOf([{ path: "shared", text: "s".repeat(100 * kib) }]);
const own = (name: string) => layerOf([{ path: "main.mjs", text: name.repeat(50 * kib) }]);
const [one, two] = [imageOf([shared, own("1")]), imageOf([shared, own("2")])];

async function start() {
  const registry = await startOciRegistry();
  const folder = await makeFolder();
  onTestFinished(() => folder[Symbol.asyncDispose]());
  const dir = folder.path;
  const content = contentStore(dir);
  const trees = sessionTrees(content);
  const pull = imageStore({
    content,
    trees,
    registry: registryClient(null),
    platform: { os: "linux", architecture: "amd64" },
  });
  return {
    registry,
    dir,
    content,
    images: keptImages(content, trees),
    trees,
    async pull(digest: string) {
      const pulled = await pull({ repository: registry.repository, digest }, never);
      expect(pulled).toMatchObject({ ok: true });
    },
    /** All that is kept, without its algorithm. */
    async kept() {
      const listed = [...(await content.list("blobs")), ...(await content.list("roots"))];
      return listed.map(({ kind, digest }) => `${kind} ${digest}`).sort();
    },
  };
}

const partsOf = (image: typeof one) =>
  [...image.blobs.keys(), image.digest]
    .map((digest) => `blobs ${digest}`)
    .concat(`roots ${image.digest}`)
    .sort();

describe("the images of the process runtime", () => {
  test("are what they take as pulled and unpacked, and nothing where they are not", async () => {
    const { registry, images, pull } = await start();
    for (const image of [one, two]) registry.add(image);
    await pull(one.digest);
    const [found, ...others] = await images.list([one.digest, two.digest]);
    expect([found?.name, others]).toEqual([one.digest, []]);
    expect(found?.sizeBytes).toBeGreaterThan(300 * kib);
    expect(found?.sizeBytes).toBeLessThan(400 * kib);
  });

  test("are removed with all that is of no other", async () => {
    const { registry, images, pull, kept, dir } = await start();
    for (const image of [one, two]) registry.add(image);
    await pull(one.digest);
    await pull(two.digest);
    expect(await images.remove(one.digest, () => [one.digest, two.digest])).toBe(true);
    expect(await kept()).toEqual(partsOf(two));
    expect(await images.remove(two.digest, () => [])).toBe(true);
    expect(await kept()).toEqual([]);
    expect(await readdir(join(dir, "incoming"))).toEqual([]);
    await pull(one.digest);
    expect(await kept()).toEqual(partsOf(one));
  });

  test("take the copies with them that were made ahead of sessions", async () => {
    const { registry, images, pull, trees, content, dir } = await start();
    for (const image of [one, two]) registry.add(image);
    for (const { digest } of [one, two]) {
      await pull(digest);
      trees.prepare(join(content.pathOf({ kind: "roots", digest }), "root"));
    }
    await images.remove(one.digest, () => [two.digest]);
    expect(await readdir(join(dir, "spares"))).toHaveLength(1);
    await images.clear(() => []);
    expect(await readdir(join(dir, "spares"))).toEqual([]);
  });

  test("that are one of several platforms are removed by the name that they were pulled by", async () => {
    const { registry, images, pull, kept } = await start();
    const index = indexOf({ amd64: one, arm64: two });
    for (const image of [one, two]) registry.add(image);
    registry.add({ ...index, blobs: new Map() });
    await pull(index.digest);
    expect(await kept()).toEqual([...partsOf(one), `blobs ${index.digest}`].sort());
    expect(await images.list([index.digest])).toHaveLength(1);
    // Nothing of it goes while the other name is kept.
    await images.remove(one.digest, () => [index.digest]);
    await images.clear(() => [index.digest]);
    expect(await kept()).toEqual([...partsOf(one), `blobs ${index.digest}`].sort());
    await images.remove(index.digest, () => []);
    expect(await kept()).toEqual([]);
  });

  test("leave what another one needs that has come since they were looked through", async () => {
    const { registry, images, pull, kept, content } = await start();
    registry.add(one);
    /** What a removal is told right before it, the images having been looked through; nothing before. */
    const lateTo = (late: () => string[]) => {
      let calls = 0;
      return () => (++calls === 1 ? [two.digest] : late());
    };
    const manifestOf = (digest: string) => content.pathOf({ kind: "blobs", digest });
    const layer = `blobs ${digestOfBytes(shared.bytes)}`;

    await pull(one.digest);
    await images.remove(
      one.digest,
      lateTo(() => {
        writeFileSync(manifestOf(two.digest), two.manifest);
        return [two.digest];
      }),
    );
    expect(await kept()).toEqual([`blobs ${two.digest}`, layer].sort());

    const three = imageOf([shared, own("3")]);
    await pull(one.digest);
    writeFileSync(manifestOf(three.digest), three.manifest);
    await rm(manifestOf(two.digest));
    await images.remove(
      one.digest,
      lateTo(() => [two.digest, three.digest]),
    );
    expect(await kept()).toContain(layer);
  });

  test("leave nothing of what no image has, and nothing that an earlier agent was making", async () => {
    const { registry, images, pull, kept, dir } = await start();
    for (const image of [one, two]) registry.add(image);
    await mkdir(join(dir, "incoming", "half"), { recursive: true });
    await writeFile(join(dir, "incoming", "half", "file"), "x");
    await images.clear(() => []);
    expect(await readdir(join(dir, "incoming"))).toEqual([]);
    await pull(one.digest);
    await pull(two.digest);
    await images.clear(() => [two.digest]);
    expect(await kept()).toEqual(partsOf(two));
  });
});
