import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { BackendFolder } from "../../../../src/agent/runtimes/process/backend-folder.ts";
import { processTable } from "../../../../src/agent/runtimes/process/machine-processes.ts";
import { parseStat, procTable } from "../../../../src/agent/runtimes/process/proc-table.ts";
import type { Leader, ProcessTable } from "../../../../src/agent/runtimes/process/process-table.ts";
import { psTable } from "../../../../src/agent/runtimes/process/ps-table.ts";
import { ok } from "../../../../src/domain/result.ts";
import { runningOf } from "../../../support/process.ts";
import { eventually } from "../../support/eventually.ts";
import { collect, never } from "../../support/streams.ts";
import { groupsOf, imagesOf, leaderOf, type ProcessPlace, specOf, testProcessPlace } from "./subject.ts";

vi.setConfig({ testTimeout: 40_000 });

/** What a command prints as a backend. */
async function printed(place: ProcessPlace, options: Parameters<ProcessPlace["open"]>[0]): Promise<string[]> {
  const runtime = place.open(options);
  expect(await runtime.start(specOf("printing"))).toMatchObject({ ok: true });
  return await collect(runtime.logs("printing", never));
}

const tables = [
  ["/proc", procTable()],
  ["ps", psTable()],
] as const;

/** Its id is larger than any that a system gives. */
const noProcess: Leader = { pid: 2 ** 30, identity: "none" };

/** Writes down a backend as an agent that is no more has left it. */
async function writeBackend(place: ProcessPlace, id: string, leader: Leader): Promise<void> {
  const folder = join(place.dir, id);
  await mkdir(folder, { recursive: true });
  const record = { leader, port: 20_000, image: "gone", labels: {} };
  await writeFile(join(folder, "record.json"), JSON.stringify(record));
  await writeFile(join(folder, "output"), "before\n");
}

test("arguments reach the command as they are", async () => {
  const place = await testProcessPlace();
  const args = ["$HOME", "`id`", "$(id)", "it's", '"', "\\", "", " a  b ", "-x", "*", "ë"];
  const images = imagesOf("/usr/bin/printf", "<%s>\\n", ...args);
  expect(await printed(place, { images })).toEqual(args.map((arg) => `<${arg}>`));
});

test("a program without a slash is found on the path of the image before that of the agent", async () => {
  const place = await testProcessPlace();
  const folders = ["first", "second", "third"].map((name) => join(place.dir, "..", name));
  for (const folder of folders) {
    await mkdir(folder);
    await writeFile(join(folder, "greet"), `#!/bin/sh\necho ${folder}\n`, { mode: 0o755 });
  }
  const [first = "", second = "", third = ""] = folders;
  await chmod(join(first, "greet"), 0o644);
  const images = async () => ok({ command: ["greet"], env: { PATH: `${first}:${second}` } });
  expect(await printed(place, { images, path: third })).toEqual([second]);
  const other = await testProcessPlace();
  expect(await printed(other, { images: imagesOf("greet"), path: third })).toEqual([third]);
});

test.for(tables)(
  "a process keeps its identity in %s, and one that is not there has none",
  async ([, table]) => {
    const { pid } = process;
    const identity = (await table.identify(pid)) ?? "";
    expect(identity).not.toBe("");
    expect(await table.identify(pid)).toBe(identity);
    expect(table.isRunning({ pid, identity })).toBe(true);
    expect(await table.identify(noProcess.pid)).toBeNull();
    expect(table.isRunning({ ...noProcess, identity })).toBe(false);
    expect(await table.usageOf(noProcess.pid)).toBeNull();
    // Of this start of the machine, and nobody has its id.
    expect(table.isOwnGroup({ ...noProcess, identity })).toBe(true);
  },
);

test.for(tables)("a process of an earlier boot has left nothing in %s", async ([, table]) => {
  const identity = "Mon Nov 24 07:24:59 1980";
  expect(table.isOwnGroup({ ...noProcess, identity })).toBe(false);
  expect(table.isOwnGroup({ pid: process.pid, identity })).toBe(false);
});

test("/proc distinguishes a process at once from one that had its id before", () => {
  expect(procTable().isRunning({ pid: process.pid, identity: "another" })).toBe(false);
});

test.for([
  ["S", 11, false],
  ["Z", 1, true],
  // Its first thread has ended, and one of the others still has what it listens on.
  ["Z", 2, false],
] as const)("a process in the state %s with %i threads has ended: %s", ([state, threads, isZombie]) => {
  const stat = `9280 (a (b) c) ${state} 1 9227 26208 0 -1 4 1 0 0 0 5 6 0 0 20 0 ${threads} 0 1717143 0 0`;
  expect(parseStat(stat)).toMatchObject({ isZombie, group: 9227, startedAt: "1717143" });
});

test.for(tables)(
  "a process that was given the id of a backend's is left alone with %s",
  async ([, table]) => {
    const place = await testProcessPlace();
    const other = spawn("/bin/sleep", ["1000"], { detached: true, stdio: "ignore" });
    onTestFinished(() => void other.kill("SIGKILL"));
    await once(other, "spawn");
    const pid = other.pid ?? 0;
    const identity = (await table.identify(pid)) ?? "";
    const otherIdentity = identity.replace(/.$/, (digit) => (digit === "1" ? "2" : "1"));
    await writeBackend(place, "reused", { pid, identity: otherIdentity });

    const runtime = place.open({ table });
    const [found] = await runtime.list();
    expect(await found?.exited).toBeNull();
    await runtime.stop("reused", "soft");
    await runtime.stop("reused", "hard");
    runtime.killAll();
    await runtime.remove("reused");
    expect(await runningOf([pid])).toEqual([pid]);
    expect([other.exitCode, other.signalCode]).toEqual([null, null]);
  },
);

test("what others have in the folder is let alone; what a broken-off removal has left is cleared away", async () => {
  const place = await testProcessPlace();
  const paths = ["theirs/output", "broken.removed/output"].map((path) => join(place.dir, path));
  for (const path of paths) {
    await mkdir(join(path, ".."), { recursive: true });
    await writeFile(path, "something");
  }
  await writeFile(join(place.dir, "a file"), "something");
  await mkdir(join(place.dir, "begun"));
  await writeFile(join(place.dir, "begun/record.json.unfinished"), "{");
  expect(await place.open().list()).toEqual([]);
  expect((await readdir(place.dir)).toSorted()).toEqual(["a file", "theirs"]);
  expect(await readdir(join(place.dir, "theirs"))).toEqual(["output"]);
});

test("a backend that runs is not removed", async () => {
  const place = await testProcessPlace();
  const runtime = place.open({ images: imagesOf("/bin/sleep", "1000") });
  await runtime.start(specOf("running"));
  await expect(runtime.remove("running")).rejects.toThrow("stop it first");
  expect(await runtime.list()).toHaveLength(1);
});

test("a start that cannot be written down leaves nothing running, and may be repeated", async () => {
  const place = await testProcessPlace();
  const runtime = place.open({ images: imagesOf("/bin/sleep", "1000", place.dir) });
  await runtime.list();
  await rm(place.dir, { recursive: true });
  await writeFile(place.dir, "in the way");
  expect(await runtime.start(specOf("again"))).toMatchObject({
    ok: false,
    error: { code: "internal_error" },
  });
  expect(await groupsOf(place.dir)).toEqual([]);
  await rm(place.dir);
  await mkdir(place.dir);
  expect(await runtime.start(specOf("again"))).toMatchObject({ ok: true });
});

test("a start whose process cannot be identified leaves nothing running, and may be repeated", async () => {
  const place = await testProcessPlace();
  const images = imagesOf("/bin/sleep", "1000", place.dir);
  const table = { ...processTable(), identify: () => Promise.reject(new Error("too many open files")) };
  const runtime = place.open({ images, table });
  expect(await runtime.start(specOf("again"))).toMatchObject({
    ok: false,
    error: { message: expect.stringContaining("too many open files") },
  });
  expect(await runtime.list()).toEqual([]);
  await eventually(() => groupsOf(place.dir)).toEqual([]);
  expect(await readdir(place.dir)).toEqual([]);
  expect(await place.open({ images }).start(specOf("again"))).toMatchObject({ ok: true });
});

test("a record that names no process group of its own is not one: its signals would reach everybody", async () => {
  const place = await testProcessPlace();
  for (const pid of [1, 0, -5]) {
    await writeBackend(place, "odd", { pid, identity: "none" });
    expect(await new BackendFolder(join(place.dir, "odd")).readRecord()).toBeNull();
  }
  await writeBackend(place, "odd", noProcess);
  expect(await new BackendFolder(join(place.dir, "odd")).readRecord()).not.toBeNull();
});

test("an exit code that was not written to its end is not one", async () => {
  const place = await testProcessPlace();
  for (const [id, text] of [
    ["half", "13"],
    ["whole", "13\n"],
  ] as const) {
    await writeBackend(place, id, noProcess);
    await writeFile(join(place.dir, id, "exit"), text);
  }
  const found = new Map((await place.open().list()).map(({ backendId, exited }) => [backendId, exited]));
  expect([await found.get("half"), await found.get("whole")]).toEqual([null, 13]);
});

test("nothing of a backend runs before it is written down", async () => {
  const place = await testProcessPlace();
  const marker = join(place.dir, "ran");
  const table: ProcessTable = {
    ...processTable(),
    async identify(pid) {
      await mkdir(join(place.dir, "unwritten/record.json.unfinished"));
      return await processTable().identify(pid);
    },
  };
  const runtime = place.open({ images: imagesOf("/bin/sh", "-c", ': >"$0"; sleep 1000', marker), table });
  expect(await runtime.start(specOf("unwritten"))).toMatchObject({ ok: false });
  await eventually(() => groupsOf(place.dir)).toEqual([]);
  expect(await readdir(place.dir)).toEqual([]);
});

test("the end of a backend that this process has started is noticed without a check", async () => {
  const place = await testProcessPlace();
  const runtime = place.open({ images: imagesOf("/bin/sh", "-c", "exit 3"), pollEveryMs: 3_600_000 });
  const started = await runtime.start(specOf("brief"));
  expect(started.ok && (await started.value.exited)).toBe(3);
});

test("what is kept of backends is readable by its owner only", async () => {
  const place = await testProcessPlace();
  const runtime = place.open({ images: imagesOf("/bin/sleep", "1000") });
  await runtime.start(specOf("private"));
  for (const path of [place.dir, join(place.dir, "private")]) expect((await stat(path)).mode & 0o077).toBe(0);
});

test("the end of a backend that somebody else killed is seen, with all that was left of it", async () => {
  const place = await testProcessPlace();
  const runtime = place.open({ images: imagesOf("/bin/sh", "-c", "sleep 1000; :", place.dir) });
  const started = await runtime.start(specOf("killed"));
  process.kill(await leaderOf(place, "killed"), "SIGKILL");
  expect(started.ok && (await started.value.exited)).toBeNull();
  expect(await groupsOf(place.dir)).toEqual([]);
});

test("killAll has killed everything when it returns, what was found included", async () => {
  const place = await testProcessPlace();
  const images = imagesOf("/bin/sh", "-c", "trap '' TERM; sleep 1000; :", place.dir);
  await place.open({ images }).start(specOf("found"));
  const runtime = place.open({ images });
  await runtime.start(specOf("started"));
  const found = await runtime.list();
  runtime.killAll();
  expect(await Promise.all(found.map(({ exited }) => exited))).toEqual([137, 137]);
  await eventually(() => groupsOf(place.dir)).toEqual([]);
});

test("a process is not kept from ending by backends that run", async () => {
  const place = await testProcessPlace();
  await mkdir(place.dir);
  const starter = join(import.meta.dirname, "../fixtures/starter.ts");
  const agent = spawn(process.execPath, [starter, place.dir, "leave", "/bin/sleep", "1000"], {
    stdio: "ignore",
  });
  const [code] = await once(agent, "exit");
  expect(code).toBe(0);
  expect(await place.open().list()).toHaveLength(1);
});
