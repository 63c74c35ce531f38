import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { lockFileWhenFree, lockStateDir } from "../../../src/local/state/lock.ts";
import { makeFolder } from "../../support/folder.ts";
import { programEnv } from "../../support/process.ts";

const holder = `
import { lockStateDir } from ${JSON.stringify(fileURLToPath(new URL("../../../src/local/state/lock.ts", import.meta.url)))};
await lockStateDir(process.argv[1]);
console.log(process.pid);
setInterval(() => {}, 1000);
`;

/**
 * Has another process lock a folder.
 * @returns its id, and that of its parent, which never waits for it: killed, it stays as a zombie until that has ended
 */
async function lockElsewhere(folder: string): Promise<{ pid: number; parent: number }> {
  const script = `"$0" --input-type=module-typescript -e "$1" "$2" & exec sleep 60`;
  const child = spawn("sh", ["-c", script, process.execPath, holder, folder], {
    env: programEnv,
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const [line] = await once(createInterface(child.stdout), "line");
  if (child.pid === undefined) throw new Error("the process was not started");
  return { pid: Number(line), parent: child.pid };
}

test("a state directory that a live process has is refused, and stays its own", async () => {
  await using folder = await makeFolder();
  const { pid, parent } = await lockElsewhere(folder.path);
  await expect(lockStateDir(folder.path)).rejects.toThrow(`is in use by process ${pid}`);
  expect(await readFile(join(folder.path, "pid"), "utf8")).toBe(`${pid}\n`);
  process.kill(pid, "SIGKILL");
  process.kill(parent, "SIGKILL");
});

test("one whose process was killed is free at once, though nobody has waited for that process", async () => {
  await using folder = await makeFolder();
  const { pid } = await lockElsewhere(folder.path);
  process.kill(pid, "SIGKILL");
  const release = await lockFileWhenFree(join(folder.path, "lock"), AbortSignal.timeout(10_000));
  release();
  expect(process.kill(pid, 0), "it is a zombie").toBe(true);

  const unlock = await lockStateDir(folder.path);
  expect(await readFile(join(folder.path, "pid"), "utf8")).toBe(`${process.pid}\n`);
  await unlock();
  await expect(stat(join(folder.path, "pid"))).rejects.toThrow("ENOENT");
});

test("a lock that was given back can be taken again", async () => {
  await using folder = await makeFolder();
  for (let round = 0; round < 2; round++) {
    const unlock = await lockStateDir(folder.path);
    await expect(lockStateDir(folder.path)).rejects.toThrow(`is in use by process ${process.pid}`);
    await unlock();
  }
});
