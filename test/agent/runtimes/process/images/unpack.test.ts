import { lstat, mkdir, readdir, readFile, readlink, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { unpackLayers } from "../../../../../src/agent/runtimes/process/images/unpack.ts";
import { makeFolder } from "../../../../support/folder.ts";
import { digestOfBytes, type LayerEntry, layerOf, type TestLayer } from "../../../support/oci-image.ts";
import { never } from "../../../support/streams.ts";

/** A folder with an empty root and, beside it, what no layer may touch. */
async function makeRoot() {
  const folder = await makeFolder();
  const root = join(folder.path, "root");
  await mkdir(root);
  await writeFile(join(folder.path, "outside"), "untouched");
  return {
    root,
    async unpack(layers: readonly TestLayer[]) {
      const written = layers.map(async ({ bytes, diffId }, index) => {
        const path = join(folder.path, `layer-${index}`);
        await writeFile(path, bytes);
        return { path, diffId };
      });
      await unpackLayers(root, await Promise.all(written), never);
    },
    read: (path: string) => readFile(join(root, path), "utf8"),
    /** Every path below the root, sorted; a directory's ends in a slash. */
    async list(): Promise<string[]> {
      const found = await readdir(root, { recursive: true, withFileTypes: true });
      return found
        .map(
          (entry) =>
            join(entry.parentPath, entry.name).slice(root.length + 1) + (entry.isDirectory() ? "/" : ""),
        )
        .sort();
    },
    /** What is beside the root, and what it says. */
    async outside() {
      const names = (await readdir(folder.path)).filter((name) => !name.startsWith("layer-"));
      return { names: names.sort(), text: await readFile(join(folder.path, "outside"), "utf8") };
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

function inPieces(archive: Buffer, compress: (piece: Buffer) => Buffer): Buffer {
  return Buffer.concat([compress(archive.subarray(0, 1000)), compress(archive.subarray(1000))]);
}

describe("a layer", () => {
  const entries: LayerEntry[] = [
    { path: "./", type: "Directory" },
    { path: "app/", type: "Directory" },
    { path: "app/main.mjs", text: "x".repeat(2000) },
    { path: "./deep/er/file", text: "made with the directories on its way" },
    { path: "empty" },
  ];

  test.for([
    ["plain", (archive: Buffer) => archive],
    ["gzip", (archive: Buffer) => gzipSync(archive)],
    ["gzip in several members", (archive: Buffer) => inPieces(archive, gzipSync)],
    ["zstd", (archive: Buffer) => zstdCompressSync(archive)],
    ["zstd in several frames", (archive: Buffer) => inPieces(archive, zstdCompressSync)],
    [
      "zstd with a frame to skip",
      (archive: Buffer) =>
        Buffer.concat([zstdCompressSync(archive), Buffer.from("502a4d180100000007", "hex")]),
    ],
  ] as const)("is unpacked as it is: %s", async ([, compress]) => {
    await using image = await makeRoot();
    await image.unpack([layerOf(entries, compress)]);
    expect(await image.list()).toEqual([
      "app/",
      "app/main.mjs",
      "deep/",
      "deep/er/",
      "deep/er/file",
      "empty",
    ]);
    expect(await image.read("app/main.mjs")).toBe("x".repeat(2000));
    expect(await image.read("empty")).toBe("");
  });

  test("without any entry changes nothing", async () => {
    await using image = await makeRoot();
    await image.unpack([layerOf([])]);
    expect(await image.list()).toEqual([]);
  });

  test("keeps modes without setuid, setgid and sticky, and directories that their owner can enter", async () => {
    await using image = await makeRoot();
    await image.unpack([
      layerOf([
        { path: "closed", type: "Directory", mode: 0o1000 },
        { path: "closed/su", mode: 0o4755 },
        { path: "sg", mode: 0o2711 },
        { path: "secret", mode: 0o600 },
        { path: "shared", mode: 0o666 },
      ]),
    ]);
    const modes = async (path: string) => (await lstat(join(image.root, path))).mode & 0o7777;
    expect(await modes("closed")).toBe(0o700);
    expect(await modes("closed/su")).toBe(0o755);
    expect(await modes("sg")).toBe(0o711);
    expect(await modes("secret")).toBe(0o600);
    expect(await modes("shared")).toBe(0o666);
  });

  test("replaces what those below have, whatever it was, and merges directories", async () => {
    await using image = await makeRoot();
    await image.unpack([
      layerOf([
        { path: "a", text: "1" },
        { path: "b/old", text: "1" },
        { path: "c/old", text: "1" },
      ]),
      layerOf([{ path: "a/new", text: "2" }].map((entry) => ({ ...entry, path: "b/new" }))),
      layerOf([{ path: "a", type: "Directory" }, { path: "a/in" }, { path: "c", text: "3" }]),
    ]);
    expect(await image.list()).toEqual(["a/", "a/in", "b/", "b/new", "b/old", "c"]);
  });

  test("that is not what the configuration says is refused", async () => {
    await using image = await makeRoot();
    const layer = layerOf([{ path: "a" }]);
    await expect(image.unpack([{ ...layer, diffId: digestOfBytes("other") }])).rejects.toThrow(
      "the layer is sha256:",
    );
  });

  test.for([
    ["cut short in a file", (archive: Buffer) => archive.subarray(0, 700)],
    ["with a header that is not one", (archive: Buffer) => Buffer.concat([Buffer.alloc(512, 7), archive])],
    ["of gzip that ends too early", (archive: Buffer) => gzipSync(archive).subarray(0, 40)],
    ["of zstd that ends too early", (archive: Buffer) => zstdCompressSync(archive).subarray(0, 40)],
    [
      "of zstd with something else after it",
      (archive: Buffer) => Buffer.concat([zstdCompressSync(archive), Buffer.from("something else")]),
    ],
    ["that is no archive", () => Buffer.from("hello")],
  ] as const)("%s is refused", async ([, damage]) => {
    await using image = await makeRoot();
    const bytes = damage(layerOf([{ path: "a", text: "x".repeat(1000) }, { path: "b" }]).bytes);
    await expect(image.unpack([{ bytes, diffId: digestOfBytes(bytes) }])).rejects.toThrow(
      /not a good one|unexpected end of file|Unknown frame descriptor/,
    );
  });
});

describe("no layer reaches out of the root", () => {
  const refusal =
    /not a path below|out of the image|leaves the image|no file of the image|hides no name|not unpacked|root of the image|goes through/;
  const hostile: [string, LayerEntry[]][] = [
    ["a path that climbs", [{ path: "../escaped" }]],
    ["a path that climbs on its way", [{ path: "a/../../escaped" }]],
    ["an absolute path", [{ path: "/etc/escaped" }]],
    ["a directory that climbs", [{ path: "../escaped/", type: "Directory" }]],
    ["a link that climbs", [{ path: "l", type: "SymbolicLink", linkpath: "../outside" }]],
    ["a link that climbs from below", [{ path: "a/l", type: "SymbolicLink", linkpath: "../../outside" }]],
    ["an absolute link that climbs", [{ path: "l", type: "SymbolicLink", linkpath: "/../outside" }]],
    [
      "a link that climbs through another one",
      [
        { path: "d/up", type: "SymbolicLink", linkpath: ".." },
        { path: "d/l", type: "SymbolicLink", linkpath: "up/../outside" },
      ],
    ],
    [
      "a link that leads out once another one is there",
      [
        { path: "d/l", type: "SymbolicLink", linkpath: "up/../outside" },
        { path: "d/up", type: "SymbolicLink", linkpath: ".." },
      ],
    ],
    [
      "a link that would lead out once a directory is there",
      [
        { path: "d/up", type: "SymbolicLink", linkpath: ".." },
        { path: "d/l", type: "SymbolicLink", linkpath: "up/missing/../../outside" },
      ],
    ],
    ["a hard link that climbs", [{ path: "l", type: "Link", linkpath: "../outside" }]],
    ["an absolute hard link", [{ path: "l", type: "Link", linkpath: "/etc/hostname" }]],
    ["a hard link to nothing", [{ path: "l", type: "Link", linkpath: "nothing" }]],
    [
      "a hard link to a link",
      [
        { path: "a/b/s", type: "SymbolicLink", linkpath: "../../x" },
        { path: "l", type: "Link", linkpath: "a/b/s" },
      ],
    ],
    ["a whiteout of the directory above", [{ path: "a/", type: "Directory" }, { path: "a/.wh..." }]],
    ["a whiteout of the directory itself", [{ path: ".wh.." }]],
    ["a whiteout of nothing", [{ path: ".wh." }]],
    ["a whiteout that climbs", [{ path: "../.wh.outside" }]],
    ["a character device", [{ path: "null", type: "CharacterDevice" }]],
    ["a block device", [{ path: "sda", type: "BlockDevice" }]],
    ["a pipe", [{ path: "pipe", type: "FIFO" }]],
    ["an entry of another kind", [{ path: "dump", type: "GNUDumpDir" }]],
    ["a root that is a file", [{ path: "./", type: "SymbolicLink", linkpath: "a" }]],
    ["a path through a file", [{ path: "a" }, { path: "a/b" }]],
    [
      "a path through a loop",
      [
        { path: "a", type: "SymbolicLink", linkpath: "b" },
        { path: "b", type: "SymbolicLink", linkpath: "a" },
        { path: "a/c" },
      ],
    ],
  ];

  test.for(hostile)("%s is refused", async ([, entries]) => {
    await using image = await makeRoot();
    await expect(image.unpack([layerOf(entries)])).rejects.toThrow(refusal);
    expect(await image.outside()).toEqual({ names: ["outside", "root"], text: "untouched" });
  });

  test("an absolute link leads to where the image's own processes would find it", async () => {
    await using image = await makeRoot();
    await image.unpack([
      layerOf([
        { path: "etc/hostname", text: "the image's" },
        { path: "usr/share/l", type: "SymbolicLink", linkpath: "/etc/hostname" },
        { path: "root", type: "SymbolicLink", linkpath: "/" },
      ]),
    ]);
    expect(await readlink(join(image.root, "usr/share/l"))).toBe("../../etc/hostname");
    expect(await image.read("usr/share/l")).toBe("the image's");
    expect(await image.read("root/etc/hostname")).toBe("the image's");
  });

  test("links that lead nowhere do no harm", async () => {
    await using image = await makeRoot();
    await image.unpack([
      layerOf([
        { path: "file" },
        { path: "self", type: "SymbolicLink", linkpath: "self" },
        { path: "through", type: "SymbolicLink", linkpath: "file/x" },
        { path: "missing", type: "SymbolicLink", linkpath: "no/such/thing" },
      ]),
    ]);
    expect(await image.list()).toEqual(["file", "missing", "self", "through"]);
  });

  test("a path below a link is written where the link leads inside the image", async () => {
    await using image = await makeRoot();
    await image.unpack([
      layerOf([
        { path: "usr/bin/", type: "Directory" },
        { path: "bin", type: "SymbolicLink", linkpath: "usr/bin" },
      ]),
      layerOf([{ path: "bin/tool", text: "tool" }]),
    ]);
    expect(await image.list()).toEqual(["bin", "usr/", "usr/bin/", "usr/bin/tool"]);
  });

  test("an entry in a link's place replaces the link, and not what it leads to", async () => {
    await using image = await makeRoot();
    await image.unpack([
      layerOf([
        { path: "kept", text: "kept" },
        { path: "l", type: "SymbolicLink", linkpath: "kept" },
      ]),
      layerOf([{ path: "l", text: "new" }]),
    ]);
    expect([await image.read("kept"), await image.read("l")]).toEqual(["kept", "new"]);
  });

  test("a hard link is the file that it names, until a later layer replaces one of the two", async () => {
    await using image = await makeRoot();
    const linked = layerOf([
      { path: "a", text: "1" },
      { path: "b", type: "Link", linkpath: "a" },
    ]);
    await image.unpack([linked]);
    expect((await stat(join(image.root, "a"))).ino).toBe((await stat(join(image.root, "b"))).ino);
    await using replaced = await makeRoot();
    await replaced.unpack([linked, layerOf([{ path: "b", text: "2" }])]);
    expect([await replaced.read("a"), await replaced.read("b")]).toEqual(["1", "2"]);
  });
});

describe("a whiteout", () => {
  const below = layerOf([
    { path: "dir/one" },
    { path: "dir/two" },
    { path: "dir/sub/three" },
    { path: "file" },
  ]);

  test.for([
    ["removes a file", [{ path: "dir/.wh.one" }], ["dir/", "dir/sub/", "dir/sub/three", "dir/two", "file"]],
    ["removes a directory", [{ path: ".wh.dir" }], ["file"]],
    ["of what is not there does nothing", [{ path: "no/.wh.x" }, { path: ".wh.dir" }], ["file"]],
    [
      "that is opaque empties a directory of what is below",
      [{ path: "dir/.wh..wh..opq" }, { path: "dir/new" }],
      ["dir/", "dir/new", "file"],
    ],
    [
      "that is opaque spares its own layer, which may come before it",
      [{ path: "dir/sub/new" }, { path: "dir/two" }, { path: "dir/.wh..wh..opq" }],
      ["dir/", "dir/sub/", "dir/sub/new", "dir/two", "file"],
    ],
    [
      "spares its own layer, which may come before it",
      [{ path: "dir/new" }, { path: ".wh.dir" }, { path: "file" }, { path: ".wh.file" }],
      ["dir/", "dir/new", "file"],
    ],
    ["of the driver's own files is ignored", [{ path: ".wh..wh.plnk" }, { path: ".wh.dir" }], ["file"]],
  ] as [string, LayerEntry[], string[]][])("%s", async ([, entries, left]) => {
    await using image = await makeRoot();
    await image.unpack([below, layerOf(entries)]);
    expect(await image.list()).toEqual(left);
  });

  test("through a link removes inside the image only", async () => {
    await using image = await makeRoot();
    await image.unpack([
      below,
      layerOf([{ path: "alias", type: "SymbolicLink", linkpath: "/dir" }]),
      layerOf([{ path: "alias/.wh.one" }]),
    ]);
    expect(await image.list()).toEqual(["alias", "dir/", "dir/sub/", "dir/sub/three", "dir/two", "file"]);
  });
});
