import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, test, vi } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { collect, never } from "../../support/streams.ts";
import { groupsOf, leaderOf, type ProcessPlace, testProcessPlace } from "./subject.ts";

vi.setConfig({ testTimeout: 60_000 });

const starter = fileURLToPath(new URL("../fixtures/starter.ts", import.meta.url));

/**
 * Runs an agent that starts backends, and kills it as soon as it has printed a number of them.
 * @param what see the starter
 * @param script what each backend does; the place is among its arguments
 * @returns the backends that it has printed
 */
async function startAndKill(place: ProcessPlace, what: string, killAfter: number, script: string) {
  await mkdir(place.dir, { recursive: true });
  const args = [starter, place.dir, what, "/bin/sh", "-c", script, place.dir];
  const agent = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(agent, "exit");
  const ids: string[] = [];
  for await (const id of createInterface({ input: agent.stdout })) {
    ids.push(id);
    if (ids.length === killAfter) agent.kill("SIGKILL");
  }
  await ended;
  expect(agent.signalCode).toBe("SIGKILL");
  return ids;
}

/** Starts one backend and kills its agent, waits until it has printed `ready`. @returns its id and its group */
async function abandoned(place: ProcessPlace, script: string) {
  const [id = ""] = await startAndKill(place, "1", 1, script);
  await eventually(() => readFile(join(place.dir, id, "output"), "utf8")).toContain("ready");
  return { id, group: await leaderOf(place, id) };
}

test.for([1, 2, 3, 5, 8, 13])(
  "an agent that is killed once %i backends are acknowledged has left nothing that is not listed, and lists those",
  async (killAfter) => {
    const place = await testProcessPlace();
    const acknowledged = await startAndKill(place, "1000", killAfter, "sleep 1000; :");
    const runtime = place.open();
    const found = await runtime.list();
    const ids = found.map(({ backendId }) => backendId);
    expect(ids).toEqual(expect.arrayContaining(acknowledged));
    const leaders = await Promise.all(ids.map((id) => leaderOf(place, id)));
    await eventually(async () =>
      (await groupsOf(place.dir)).filter((group) => !leaders.includes(group)),
    ).toEqual([]);
    for (const { backendId } of found) await runtime.stop(backendId, "hard");
    expect(new Set(await Promise.all(found.map(({ exited }) => exited)))).toEqual(new Set([137]));
    expect(await groupsOf(place.dir)).toEqual([]);
  },
);

test("a shell that was written down but not let go starts nothing, and is not listed", async () => {
  const place = await testProcessPlace();
  const acknowledged = await startAndKill(place, "held", 1, "sleep 1000; :");
  expect(acknowledged).toHaveLength(1);
  expect(await place.open().list()).toEqual([]);
  expect(await groupsOf(place.dir)).toEqual([]);
  expect(await readdir(place.dir)).toEqual([]);
});

const endsWithFive = "trap 'echo ending; exit 5' TERM; echo ready; while :; do sleep 0.02; done";

test("a backend that outlives its agent is stopped by the next one", async () => {
  const place = await testProcessPlace();
  const { id } = await abandoned(place, endsWithFive);
  const runtime = place.open();
  await runtime.stop(id, "soft");
  const [found] = await runtime.list();
  expect(await found?.exited).toBe(5);
});

test("the exit code and the output of a backend that ended while nobody watched are known", async () => {
  const place = await testProcessPlace();
  const { id, group } = await abandoned(place, endsWithFive);
  process.kill(-group, "SIGTERM");
  await eventually(() => groupsOf(place.dir)).toEqual([]);
  const runtime = place.open();
  const [found] = await runtime.list();
  expect(await found?.exited).toBe(5);
  const lines = await collect(runtime.logs(id, never));
  expect([lines[0], lines.at(-1)]).toEqual(["ready", "ending"]);
});

test("the exit code of a backend that another program killed while no agent ran is unknown", async () => {
  const place = await testProcessPlace();
  const { group } = await abandoned(place, endsWithFive);
  process.kill(-group, "SIGKILL");
  await eventually(() => groupsOf(place.dir)).toEqual([]);
  const [found] = await place.open().list();
  expect(await found?.exited).toBeNull();
});

test("what a backend leaves behind ends with it while nobody watches", async () => {
  const place = await testProcessPlace();
  const { group } = await abandoned(place, `(trap '' TERM; sleep 1000; :) & ${endsWithFive}`);
  process.kill(-group, "SIGTERM");
  await eventually(() => groupsOf(place.dir)).toEqual([]);
  const [found] = await place.open().list();
  expect(await found?.exited).toBe(5);
});

test("what is left of a backend whose shell alone was killed ends when the next agent looks", async () => {
  const place = await testProcessPlace();
  const { group } = await abandoned(place, endsWithFive);
  process.kill(group, "SIGKILL");
  const [found] = await place.open().list();
  expect(await found?.exited).toBeNull();
  expect(await groupsOf(place.dir)).toEqual([]);
});
