import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { registryClient } from "../../../../../src/agent/registry/client.ts";
import { contentStore } from "../../../../../src/agent/registry/content-store.ts";
import {
  type ImageStoreOptions,
  imageStore,
} from "../../../../../src/agent/runtimes/process/images/image-store.ts";
import { makeFolder } from "../../../../support/folder.ts";
import { eventually } from "../../../support/eventually.ts";
import { gate } from "../../../support/gate.ts";
import {
  digestOfBytes,
  imageOf,
  indexOf,
  indexType,
  layerOf,
  type TestImage,
} from "../../../support/oci-image.ts";
import { startOciRegistry } from "../../../support/oci-registry.ts";
import { never } from "../../../support/streams.ts";

const base = layerOf([{ path: "base", text: "b".repeat(100_000) }], gzipSync);
const app = layerOf([{ path: "main.mjs", text: "" }]);
const image = imageOf([base, app]);

async function start(options: Partial<ImageStoreOptions> = {}) {
  const registry = await startOciRegistry();
  const folder = await makeFolder();
  // What a failed pull has given up may be writing there for a moment yet.
  onTestFinished(async () => {
    const remove = async () => await folder[Symbol.asyncDispose]();
    await vi.waitFor(remove, { timeout: 20_000, interval: 5 });
  });
  const dir = join(folder.path, "images");
  const open = () => imageStore({ content: contentStore(dir), registry: registryClient(null), ...options });
  const store = open();
  return {
    registry,
    dir,
    /** Another store on the same folder, as after a restart. */
    open,
    pull: (digest: string, signal = never) => store({ repository: registry.repository, digest }, signal),
    kept: async (kind: "blobs" | "roots" | "incoming") => {
      const path = kind === "incoming" ? join(dir, kind) : join(dir, kind, "sha256");
      return (await readdir(path).catch(() => [])).sort();
    },
  };
}

function hexOf(digest: string): string {
  return digest.slice(digest.indexOf(":") + 1);
}

describe("a pull", () => {
  test("fetches the manifest, the configuration and each layer once, and nothing the next time", async () => {
    const { registry, pull, open, kept } = await start();
    registry.add(image);
    expect(await pull(image.digest)).toMatchObject({ ok: true });
    expect([...registry.requests].sort()).toEqual(
      [`manifests ${image.digest}`, ...[...image.blobs.keys()].map((digest) => `blobs ${digest}`)].sort(),
    );
    expect(await kept("roots")).toEqual([hexOf(image.digest)]);
    expect(await kept("incoming")).toEqual([]);

    registry.requests.length = 0;
    expect(await pull(image.digest)).toMatchObject({ ok: true });
    expect(await open()({ repository: registry.repository, digest: image.digest }, never)).toMatchObject({
      ok: true,
    });
    expect(registry.requests).toEqual([]);
  });

  test("does not fetch layers that another image has brought", async () => {
    const { registry, pull } = await start();
    registry.add(image);
    await pull(image.digest);
    registry.requests.length = 0;
    const next = imageOf([base, layerOf([{ path: "main.mjs", text: "new" }])]);
    registry.add(next);
    expect(await pull(next.digest)).toMatchObject({ ok: true });
    expect(registry.requests).not.toContain(`blobs ${digestOfBytes(base.bytes)}`);
    expect(registry.requests.length).toBe(3);
  });

  test("that several want at once is one", async () => {
    const { registry, pull } = await start();
    registry.add(image);
    const answered = gate();
    registry.intercept = async () => {
      await answered.opened;
      return false;
    };
    const pulls = [pull(image.digest), pull(image.digest), pull(image.digest)];
    await eventually(() => registry.requests.length).toBe(1);
    answered.open();
    for (const pulled of await Promise.all(pulls)) expect(pulled).toMatchObject({ ok: true });
    expect(registry.requests.length).toBe(1 + image.blobs.size);
  });

  test("that one of two no longer wants goes on for the other", async () => {
    const { registry, pull } = await start();
    registry.add(image);
    const answered = gate();
    registry.intercept = async () => {
      await answered.opened;
      return false;
    };
    const unwanted = new AbortController();
    const given = pull(image.digest, unwanted.signal);
    const wanted = pull(image.digest);
    await eventually(() => registry.requests.length).toBe(1);
    unwanted.abort();
    await expect(given).rejects.toThrow("aborted");
    answered.open();
    expect(await wanted).toMatchObject({ ok: true });
    expect(registry.requests.length).toBe(1 + image.blobs.size);
  });

  test("that nobody wants any more stops in the middle of a layer, and leaves nothing", async () => {
    const { registry, pull, kept } = await start();
    registry.add(image);
    let hungUp = false;
    registry.intercept = async (request, response) => {
      if (!request.url?.endsWith(digestOfBytes(base.bytes))) return false;
      response.writeHead(200).write(base.bytes.subarray(0, 50));
      response.once("close", () => {
        hungUp = true;
      });
      return true;
    };
    const unwanted = new AbortController();
    const pulled = pull(image.digest, unwanted.signal);
    await eventually(() => registry.requests).toContain(`blobs ${digestOfBytes(base.bytes)}`);
    unwanted.abort();
    await expect(pulled).rejects.toThrow("aborted");
    await eventually(() => hungUp).toBe(true);
    await expect.poll(() => kept("incoming")).toEqual([]);
    expect(await kept("roots")).toEqual([]);
  });

  test("writes a layer to disk while it comes", async () => {
    const { registry, pull, dir, kept } = await start();
    registry.add(image);
    const rest = gate();
    const half = base.bytes.subarray(0, base.bytes.length >> 1);
    registry.intercept = async (request, response) => {
      if (!request.url?.endsWith(digestOfBytes(base.bytes))) return false;
      response.writeHead(200).write(half);
      await rest.opened;
      response.end(base.bytes.subarray(half.length));
      return true;
    };
    const pulled = pull(image.digest);
    const sizes = async () => {
      const names = await kept("incoming");
      return Promise.all(names.map(async (name) => (await stat(join(dir, "incoming", name))).size));
    };
    await expect.poll(() => sizes().catch(() => [])).toContain(half.length);
    rest.open();
    expect(await pulled).toMatchObject({ ok: true });
  });

  test("takes this platform's image of an index", async () => {
    const { registry, pull, kept } = await start({ platform: { os: "linux", architecture: "arm64" } });
    const other = imageOf([layerOf([{ path: "main.mjs", text: "other" }])]);
    const index = indexOf({ amd64: other, arm64: image });
    for (const each of [index, other, image]) registry.add(each);
    expect(await pull(index.digest)).toMatchObject({ ok: true });
    expect(await kept("roots")).toEqual([hexOf(image.digest)]);
    expect(registry.requests).not.toContain(`manifests ${other.digest}`);
  });

  test("of an index without this platform says so", async () => {
    const { registry, pull } = await start({ platform: { os: "linux", architecture: "s390x" } });
    const index = indexOf({ amd64: image });
    registry.add(index);
    expect(await pull(index.digest)).toMatchObject({
      ok: false,
      error: { code: "image_not_found", message: expect.stringContaining("linux/s390x") },
    });
  });

  test("by a sha512 digest is verified by it", async () => {
    const { registry, pull } = await start();
    registry.add(image);
    const digest = digestOfBytes(image.manifest, "sha512");
    registry.manifests.set(digest, image.manifest);
    expect(await pull(digest)).toMatchObject({ ok: true });
    const wrong = digestOfBytes("other", "sha512");
    registry.manifests.set(wrong, image.manifest);
    expect(await pull(wrong)).toMatchObject({
      ok: false,
      error: { message: expect.stringContaining("has the digest") },
    });
  });
});

describe("bytes that are not what they should be", () => {
  const configDigest = [...image.blobs.keys()][0] ?? "";
  const layerDigest = digestOfBytes(base.bytes);

  test.for([
    ["a manifest of another digest", "manifests", image.digest, (bytes: Buffer) => Buffer.from(`${bytes} `)],
    [
      "a configuration that was changed",
      "blobs",
      configDigest,
      (bytes: Buffer) => Buffer.from(`${bytes}`.replace("node", "evil")),
    ],
    ["a layer that was changed", "blobs", layerDigest, (bytes: Buffer) => Buffer.from(bytes).fill(7, 20, 21)],
    ["a layer that is too short", "blobs", layerDigest, (bytes: Buffer) => bytes.subarray(0, -1)],
    [
      "a layer that is too long",
      "blobs",
      layerDigest,
      (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(1)]),
    ],
    ["a manifest without an end", "manifests", image.digest, () => Buffer.alloc(4 * 1024 * 1024 + 1, " ")],
  ] as const)("%s is not kept, and pulled anew the next time", async ([, kind, digest, change]) => {
    const { registry, pull, kept } = await start();
    registry.add(image);
    const good = registry[kind].get(digest) ?? Buffer.alloc(0);
    registry[kind].set(digest, change(good));
    expect(await pull(image.digest)).toMatchObject({
      ok: false,
      error: { message: expect.stringContaining(digest) },
    });
    expect(await kept("roots")).toEqual([]);
    // The other layers are given up, which takes its time.
    await expect.poll(() => kept("incoming")).toEqual([]);
    expect(await kept("blobs")).not.toContain(hexOf(digest));

    registry[kind].set(digest, good);
    expect(await pull(image.digest)).toMatchObject({ ok: true });
  });

  test.for([
    [1, "broke off"],
    [-1, "has more than"],
  ] as const)(
    "a layer of another size than the manifest says, by %i, is refused though its digest fits",
    async ([by, why]) => {
      const { registry, pull } = await start();
      const size = app.bytes.length + by;
      const bad = imageOf([app], {}, { layers: [{ digest: digestOfBytes(app.bytes), size }] });
      registry.add(bad);
      expect(await pull(bad.digest)).toMatchObject({
        ok: false,
        error: { message: expect.stringContaining(why) },
      });
    },
  );

  test("a layer without an end is cut off", async () => {
    const { registry, pull } = await start();
    registry.add(image);
    registry.intercept = async (request, response) => {
      if (!request.url?.endsWith(layerDigest)) return false;
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(64 * 1024)));
      };
      response.on("drain", more).on("error", () => undefined);
      more();
      return true;
    };
    expect(await pull(image.digest)).toMatchObject({
      ok: false,
      error: { message: expect.stringContaining("has more than") },
    });
  });

  test.for([
    ["with a layer that is too large", [{ size: 20 * 2 ** 30 }], "a layer has more than"],
    [
      "with layers that are too large together",
      Array(3).fill({ size: 12 * 2 ** 30 }),
      "its layers have more than",
    ],
    ["with too many layers", Array(513).fill({}), "it has 513 layers; at most 512 are pulled"],
  ] as const)("an image %s is not pulled, by what its manifest says", async ([, changes, message]) => {
    const { registry, pull } = await start();
    const layers = changes.map((change: object) => ({
      digest: app.diffId,
      size: app.bytes.length,
      ...change,
    }));
    const rootfs = { type: "layers", diff_ids: layers.map(() => app.diffId) };
    const config = Buffer.from(JSON.stringify({ config: { Cmd: ["node", "main.mjs"] }, rootfs }));
    const hostile = imageOf(
      [],
      {},
      { config: { digest: digestOfBytes(config), size: config.length }, layers },
    );
    registry.add({ ...hostile, blobs: new Map([[digestOfBytes(config), config]]) });
    const pulled = await pull(hostile.digest);
    expect(pulled).toMatchObject({ ok: false, error: { message: expect.stringContaining(message) } });
    expect(registry.requests).not.toContain(`blobs ${app.diffId}`);
  });

  test("a connection that breaks in a layer fails the pull, and the next one pulls the layer again", async () => {
    const { registry, pull } = await start();
    registry.add(image);
    registry.intercept = async (request, response) => {
      if (!request.url?.endsWith(layerDigest)) return false;
      response.writeHead(200, { "content-length": base.bytes.length });
      response.write(base.bytes.subarray(0, 50), () => request.socket.destroy());
      return true;
    };
    expect(await pull(image.digest)).toMatchObject({
      ok: false,
      error: { code: "unavailable", message: expect.stringContaining("broke off") },
    });
    registry.intercept = async () => false;
    expect(await pull(image.digest)).toMatchObject({ ok: true });
  });

  const broken: [string, TestImage, string][] = [
    [
      "is neither an image nor an index",
      imageOf([app], {}, { mediaType: "application/json" }),
      "not a type of manifest",
    ],
    [
      "could be both",
      imageOf([app], {}, { mediaType: undefined, manifests: [] }),
      "whether it is an image or an index",
    ],
    [
      "names a digest that is none",
      imageOf([app], {}, { config: { digest: "sha256:../../x", size: 1 } }),
      "not a digest",
    ],
    ["has other layers than its configuration", imageOf([app], {}, { layers: [] }), "other layers"],
    [
      "has a layer that its configuration does not have",
      imageOf([{ ...app, diffId: base.diffId }]),
      "where the image's configuration has",
    ],
    [
      "has a configuration that is too large",
      imageOf([app], {}, { config: { digest: configDigest, size: 1e9 } }),
      "too large",
    ],
    ["has a layer out of its root", imageOf([layerOf([{ path: "../x" }])]), "not a path below"],
  ];

  test.for(broken)("an image that %s is refused", async ([, bad, why]) => {
    const { registry, pull, kept } = await start();
    registry.add(bad);
    expect(await pull(bad.digest)).toMatchObject({
      ok: false,
      error: { message: expect.stringContaining(why) },
    });
    expect(await kept("roots")).toEqual([]);
    await expect.poll(() => kept("incoming")).toEqual([]);
  });

  test("an index of indexes is not followed", async () => {
    const { registry, pull } = await start({ platform: { os: "linux", architecture: "amd64" } });
    const inner = indexOf({ amd64: image });
    const outer = indexOf({ amd64: { ...inner, blobs: new Map() } });
    for (const each of [image, inner, outer]) registry.add(each);
    expect(outer.manifest.toString()).toContain(indexType);
    expect(await pull(outer.digest)).toMatchObject({
      ok: false,
      error: { message: expect.stringContaining("not followed") },
    });
  });

  test("an image that is not there is not found", async () => {
    const { pull } = await start();
    expect(await pull(image.digest)).toMatchObject({ ok: false, error: { code: "image_not_found" } });
  });
});

test("an unpacked image that was removed is unpacked again from what is kept", async () => {
  const { registry, pull, dir, kept } = await start();
  registry.add(image);
  await pull(image.digest);
  registry.requests.length = 0;
  await rm(join(dir, "roots"), { recursive: true });
  expect(await pull(image.digest)).toMatchObject({ ok: true });
  expect(await kept("roots")).toEqual([hexOf(image.digest)]);
  expect(registry.requests).toEqual([]);
});
