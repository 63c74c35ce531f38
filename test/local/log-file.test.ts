import { readdir, readFile, rm, stat, symlink } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { LogFile } from "../../src/local/log-file.ts";
import { makeFolder } from "../support/folder.ts";

test("a log goes on where an earlier process has left it, readable by its owner only", async () => {
  await using folder = await makeFolder();
  const path = join(folder.path, "agent.log");
  for (const line of ["first\n", "second\n"]) {
    const log = new LogFile(path);
    log.append(line);
    log.close();
  }
  expect(await readFile(path, "utf8")).toBe("first\nsecond\n");
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

test("a log takes at most twice its bound, and has the most recent lines", async () => {
  await using folder = await makeFolder();
  const path = join(folder.path, "agent.log");
  const log = new LogFile(path, { maxBytes: 1000 });
  for (let n = 0; n < 1_000; n++) log.append(`line ${n}\n`);
  log.close();
  expect((await readdir(folder.path)).sort()).toEqual(["agent.log", "agent.log.1"]);
  const [before, last] = await Promise.all([readFile(`${path}.1`, "utf8"), readFile(path, "utf8")]);
  expect(before.length).toBeLessThanOrEqual(1000);
  expect(last.length).toBeLessThanOrEqual(1000);
  const lines = `${before}${last}`.split("\n").slice(0, -1);
  expect(lines).toEqual(Array.from({ length: lines.length }, (_, n) => `line ${1_000 - lines.length + n}`));
});

test("a full disk loses lines and nothing else, and is said once there is room", async () => {
  await using folder = await makeFolder();
  const path = join(folder.path, "agent.log");
  // Every write to it fails as on a full disk.
  await symlink("/dev/full", path);
  const log = new LogFile(path);
  log.append("lost\n");
  log.append("lost too\n");
  log.close();
  await rm(path);
  log.append("kept\n");
  expect(await readFile(path, "utf8")).toBe('\n{"event":"log.lost","writes":2}\nkept\n');
  log.close();
});

test("a folder that is gone loses lines and nothing else", () => {
  const log = new LogFile("/does/not/exist/agent.log");
  log.append("lost\n");
  log.close();
});
