import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { lockStateDir } from "../../../src/local/state/lock.ts";
import { makeFolder } from "../../support/folder.ts";
import { run } from "../../support/process.ts";

test("a state directory that a live process has is refused, and stays its own", async () => {
  await using folder = await makeFolder();
  const path = join(folder.path, "pid");
  await writeFile(path, `${process.ppid}\n`);
  await expect(lockStateDir(folder.path)).rejects.toThrow(`is in use by process ${process.ppid}`);
  expect(await readFile(path, "utf8")).toBe(`${process.ppid}\n`);
});

test("one whose process has ended is taken over, and given back", async () => {
  await using folder = await makeFolder();
  const path = join(folder.path, "pid");
  const ended = await run([process.execPath, "-p", "process.pid"]);
  await writeFile(path, ended.stdout);
  const unlock = await lockStateDir(folder.path);
  expect(await readFile(path, "utf8")).toBe(`${process.pid}\n`);
  await unlock();
  await expect(stat(path)).rejects.toThrow("ENOENT");
});

test("a file that a crash left empty does not stand in the way", async () => {
  await using folder = await makeFolder();
  await writeFile(join(folder.path, "pid"), "");
  const unlock = await lockStateDir(folder.path);
  await unlock();
});
