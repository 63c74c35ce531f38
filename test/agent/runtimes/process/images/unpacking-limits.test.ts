import { mkdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { unpackLayers } from "../../../../../src/agent/runtimes/process/images/unpack.ts";
import {
  type UnpackingLimits,
  unpackingLimits,
} from "../../../../../src/agent/runtimes/process/images/unpacking-limits.ts";
import { makeFolder } from "../../../../support/folder.ts";
import { type LayerEntry, layerOf, type TestLayer } from "../../../support/oci-image.ts";
import { never } from "../../../support/streams.ts";

const kib = 1024;
const limits: UnpackingLimits = {
  imageMaxBytes: 300 * kib,
  layerMaxBytes: 200 * kib,
  ratioMax: 10,
  ratioFreeBytes: 50 * kib,
  placesMax: 20,
};

/** Unpacks layers into a new folder. @returns how many bytes a file of theirs has then */
async function unpack(layers: readonly TestLayer[], file: string, most: UnpackingLimits = limits) {
  await using folder = await makeFolder();
  const root = join(folder.path, "root");
  await mkdir(root);
  const written = layers.map(async ({ bytes, diffId }, index) => {
    const path = join(folder.path, `layer-${index}`);
    await writeFile(path, bytes);
    return { path, diffId };
  });
  let problem = "";
  try {
    await unpackLayers(root, await Promise.all(written), never, most);
  } catch (error) {
    problem = String(error);
  }
  const size = await stat(join(root, file)).then(
    (found) => found.size,
    () => 0,
  );
  return { problem, size };
}

/** Text that hardly shrinks. */
const noise = (bytes: number) =>
  Array.from({ length: bytes }, (_, i) => String.fromCharCode(32 + ((i * i * 31 + i * 7) % 95))).join("");
const small = (path: string, kibs: number) => layerOf([{ path, text: noise(kibs * kib) }]);
const names = (count: number): LayerEntry[] =>
  Array.from({ length: count }, (_, i) => ({ path: `file-${i}` }));

describe("an image is not unpacked beyond its limits", () => {
  const refused: [what: string, layers: TestLayer[], message: string][] = [
    ["a layer too large", [small("a", 201)], "a layer has more than 204800 bytes"],
    ["layers too large together", [small("a", 150), small("b", 150)], "it has more than 307200 bytes"],
    [
      "a layer of zeros in gzip",
      [layerOf([{ path: "a", text: "0".repeat(150 * kib) }], gzipSync)],
      "by more than 10 times",
    ],
    [
      "a layer of zeros in zstd",
      [layerOf([{ path: "a", text: "0".repeat(150 * kib) }], zstdCompressSync)],
      "by more than 10 times",
    ],
    ["too many names", [layerOf(names(21))], "more than 20 files, links and folders"],
    ["too many names in its layers together", [layerOf(names(15)), layerOf(names(15))], "more than 20 files"],
    ["too many folders of one name", [layerOf([{ path: `${"d/".repeat(30)}a` }])], "more than 20 files"],
    [
      "too many whiteouts",
      [layerOf(names(21).map(({ path }) => ({ path: `.wh.${path}` })))],
      "more than 20 files",
    ],
  ];
  test.each(refused)("%s", async (_, layers, message) => {
    const { problem, size } = await unpack(layers, "a");
    expect(problem).toContain(message);
    expect(size).toBeLessThanOrEqual(limits.layerMaxBytes);
  });

  test("up to them it is", async () => {
    expect(await unpack([small("a", 140), small("b", 140), layerOf(names(18))], "b")).toEqual({
      problem: "",
      size: 140 * kib,
    });
  });

  test("a small layer may grow as it likes", async () => {
    const zeros = layerOf([{ path: "a", text: "0".repeat(40 * kib) }], gzipSync);
    expect(await unpack([zeros], "a")).toEqual({ problem: "", size: 40 * kib });
  });

  test("by the usual limits a bomb of some hundred KiB is left after 64 MiB", async () => {
    const bomb = layerOf([{ path: "a", text: "0".repeat(100 * kib * kib) }], gzipSync);
    expect(bomb.bytes.length).toBeLessThan(200 * kib);
    const { problem, size } = await unpack([bomb], "a", unpackingLimits);
    expect(problem).toContain("by more than 200 times");
    expect(size).toBeLessThanOrEqual(unpackingLimits.ratioFreeBytes);
  });
});
