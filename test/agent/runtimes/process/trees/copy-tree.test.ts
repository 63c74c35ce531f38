import { execFile } from "node:child_process";
import { chmod, link, lstat, mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { unpackingLimits } from "../../../../../src/agent/runtimes/process/images/unpacking-limits.ts";
import { copyTree } from "../../../../../src/agent/runtimes/process/trees/copy-tree.ts";
import { turnsOf } from "../../../../../src/agent/runtimes/process/trees/turns.ts";
import { makeFolder } from "../../../../support/folder.ts";
import { describeTree } from "../../../support/file-trees.ts";

/** A tree, and beside it what is not to be copied. */
async function setUp() {
  const folder = await makeFolder();
  onTestFinished(() => folder[Symbol.asyncDispose]());
  const from = join(folder.path, "from");
  const to = join(folder.path, "to");
  const outside = join(folder.path, "outside");
  await mkdir(join(from, "deep", "er"), { recursive: true });
  await mkdir(join(from, "empty"));
  await writeFile(join(from, "run"), "#!/bin/sh\n");
  await writeFile(join(from, "deep", "er", "big"), Buffer.alloc(3_000_000, "x"));
  await mkdir(outside);
  await writeFile(join(outside, "secret"), "secret");
  return { from, to, outside, copy: (limits = unpackingLimits) => copyTree(from, to, limits, turnsOf(2)) };
}

test("a copy has the files, folders and links of its original, with their modes", async () => {
  const { from, to, copy } = await setUp();
  await link(join(from, "run"), join(from, "deep", "same"));
  await symlink("er/big", join(from, "deep", "alias"));
  await symlink("nowhere", join(from, "dangling"));
  // Beyond what the mask of this process would leave.
  await chmod(join(from, "run"), 0o777);
  await chmod(join(from, "empty"), 0o777);
  await chmod(join(from, "deep", "er"), 0o701);
  await copy();
  expect(await describeTree(to)).toEqual(await describeTree(from));
  const inode = async (path: string) => (await lstat(path)).ino;
  expect(await inode(join(to, "run"))).not.toBe(await inode(join(from, "run")));
});

test("a link that leads out is copied as a link, to a file or to a folder", async () => {
  const { from, to, outside, copy } = await setUp();
  await symlink(join(outside, "secret"), join(from, "file"));
  await symlink(outside, join(from, "folder"));
  await copy();
  for (const name of ["file", "folder"]) expect((await lstat(join(to, name))).isSymbolicLink()).toBe(true);
  expect(await readdir(to)).not.toContain("secret");
});

test("what is there already is not written over", async () => {
  const { to, copy } = await setUp();
  await mkdir(to);
  await expect(copy()).rejects.toThrow("EEXIST");
});

test("what is no file, link or folder is not copied", async () => {
  const { from, copy } = await setUp();
  await promisify(execFile)("mkfifo", [join(from, "deep", "pipe")]);
  await expect(copy()).rejects.toThrow("`deep/pipe` is no file, link or folder");
});

test.for([
  [{ imageMaxBytes: 2_999_999 }, "2999999 bytes"],
  [{ placesMax: 4 }, "4 files, links and folders"],
] as const)("a tree beyond a limit is not copied: %j", async ([limit, message]) => {
  const { copy } = await setUp();
  await expect(copy({ ...unpackingLimits, ...limit })).rejects.toThrow(message);
});

test("a tree at the limits is copied", async () => {
  const { from, to, copy } = await setUp();
  // Names of one file take the room of one.
  await link(join(from, "deep", "er", "big"), join(from, "empty", "big"));
  await copy({ ...unpackingLimits, imageMaxBytes: 3_000_010, placesMax: 6 });
  expect(await describeTree(to)).toEqual(await describeTree(from));
});

test("no more is done at a time than there are turns, and each turn is taken", async () => {
  const turns = turnsOf(2);
  let running = 0;
  let most = 0;
  const work = async (number: number) => {
    most = Math.max(most, ++running);
    await Promise.resolve();
    running--;
    if (number % 3 === 0) throw new Error("failed");
    return number;
  };
  const done = await Promise.allSettled([1, 2, 3, 4, 5, 6, 7].map((number) => turns(() => work(number))));
  expect(done.map(({ status }) => status === "fulfilled")).toEqual([
    true,
    true,
    false,
    true,
    true,
    false,
    true,
  ]);
  expect(most).toBe(2);
});
