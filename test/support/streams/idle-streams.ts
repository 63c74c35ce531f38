import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test, vi } from "vitest";
import { idAlphabet } from "../../../src/domain/ids.ts";
import type { EventStream } from "../event-streams.ts";
import { hasReceived, startWatchedWorker, type WatchedWorker } from "./watched-worker.ts";

/** Measured: 95 to 105 KB, nearly all of it what the runtime takes for a connection and a request that do nothing. */
const bytesOfStreamMax = 150_000;
/** Measured: some 700 KB for a shard that is followed for the first time, which has nothing to do with its streams. */
const bytesOfShardMax = 1_000_000;
/** By how much of the first round the last may take more than the one before: a leak would add as much again with each. */
const growthMax = 0.4;
const healthzMaxMs = 100;
const atOnce = 50;
/** What workerd has open for a connection (its socket, twice), and beside connections: databases of objects, mostly. */
const filesOfStream = 2;
const otherFiles = 2_000;

/** Does something for each of `items`, some of them at a time. */
async function forEach<T, R>(items: readonly T[], act: (item: T) => Promise<R>): Promise<R[]> {
  const done: R[] = [];
  for (let i = 0; i < items.length; i += atOnce) {
    done.push(...(await Promise.all(items.slice(i, i + atOnce).map(act))));
  }
  return done;
}

// No more often: the questions take memory as well.
const until = (condition: () => unknown) => vi.waitFor(condition, { timeout: 180_000, interval: 1_000 });

/** Until every stream has got an empty line, which is written when it has been idle for some seconds. */
export async function allIdle(streams: readonly EventStream[]): Promise<void> {
  await until(() => expect(streams.filter(({ emptyLines }) => emptyLines === 0).length).toBe(0));
}

/** How long `/healthz` takes while something goes on: 95 of 100 answers are as quick as that, in milliseconds. */
async function healthzMs(origin: string, until: Promise<unknown>): Promise<number> {
  const times: number[] = [];
  let goesOn = true;
  const stop = () => {
    goesOn = false;
  };
  until.then(stop, stop);
  while (goesOn) {
    const begun = performance.now();
    await (await fetch(`${origin}/healthz`)).text();
    times.push(performance.now() - begun);
  }
  return times.sort((a, b) => a - b)[Math.floor(times.length * 0.95)] ?? 0;
}

/** As many streams as workerd may have open files for here. */
async function possible(streams: number): Promise<number> {
  const { stdout } = await promisify(execFile)("sh", ["-c", "ulimit -n"]);
  const files = stdout.trim() === "unlimited" ? Number.POSITIVE_INFINITY : Number(stdout);
  const most = Math.floor((files - otherFiles) / filesOfStream);
  if (most < streams) console.info(`only ${most} streams: ${files} files may be open here (ulimit -n)`);
  return Math.min(streams, most);
}

/** What streams cost while they are open and idle. */
interface Cost {
  residentBytes: number;
  healthzMs: number;
}

/** Opens so many streams, of one backend after the other. @throws with what workerd said, where it lets go of one */
async function open(worker: WatchedWorker, ids: readonly string[], count: number): Promise<EventStream[]> {
  try {
    return await forEach(
      Array.from({ length: count }, (_, i) => ids[i % ids.length] ?? ""),
      worker.streamOf,
    );
  } catch (cause) {
    throw new Error(`a stream was not opened; workerd printed: ${worker.workerd.output()}`, { cause });
  }
}

async function openAndLeave(worker: WatchedWorker, ids: readonly string[], count: number): Promise<Cost> {
  const filesBefore = await worker.workerd.openFiles();
  const streams = await open(worker, ids, count);
  try {
    const opened = await worker.awakenings();
    const idle = allIdle(streams);
    const [quick] = await Promise.all([healthzMs(worker.workerd.origin, idle), idle]);
    const residentBytes = await worker.workerd.residentBytes();
    // The Worker's checks that a shard is there have woken none of them.
    expect(await worker.awakenings()).toEqual(opened);
    const followers = await forEach(ids, worker.followersOf);
    expect(new Set(followers)).toEqual(new Set([1]));
    return { residentBytes, healthzMs: quick };
  } finally {
    for (const stream of streams) stream.leave();
    await until(async () => expect(Math.max(...(await forEach(ids, worker.followersOf)))).toBe(0));
    // It accepts no connection, and ends, with more files than it may have: those of the next ones are beside what is left.
    await until(async () =>
      expect((await worker.workerd.openFiles()) ?? 0).toBeLessThan((filesBefore ?? 0) + otherFiles / 2),
    );
  }
}

/**
 * A test that opens idle status streams, leaves them and opens them again.
 * @param rounds how often, at least twice
 */
export function testIdleStreams(shape: { streams: number; backends: number; rounds: number }): void {
  const { streams: wanted, backends, rounds } = shape;
  const of = backends === 1 ? "one backend" : `${backends} backends`;
  test(`${wanted} idle status streams of ${of} keep no shard awake, take little memory and give it back, hold nobody up, and all receive the next status`, {
    timeout: 900_000,
  }, async () => {
    const count = await possible(wanted);
    await using worker = await startWatchedWorker({ STATUS_STREAMS_PER_BACKEND: String(2 * count) });
    const ids = await forEach(Array.from({ length: backends }), worker.spawn);
    const before = await worker.workerd.residentBytes();
    const costs: Cost[] = [];
    for (let round = 1; round <= rounds; round++) costs.push(await openAndLeave(worker, ids, count));

    const taken = costs.map(({ residentBytes }) => residentBytes - before);
    const [first = 0, lastButOne = 0, last = 0] = [taken[0], taken.at(-2), taken.at(-1)];
    const slowest = Math.max(...costs.map((cost) => cost.healthzMs));
    const kilobytes = taken.map((bytes) => Math.round(bytes / count / 1000)).join(", ");
    console.info(
      `${count} streams of ${of}: ${kilobytes} KB each by round, /healthz ${slowest.toFixed(1)} ms`,
    );
    const shards = Math.min(backends, idAlphabet.length);
    expect(first).toBeLessThan(count * bytesOfStreamMax + shards * bytesOfShardMax);
    expect(last - lastButOne).toBeLessThan(first * growthMax);
    expect(slowest).toBeLessThan(healthzMaxMs);

    const streams = await open(worker, ids, count);
    try {
      const opened = await worker.awakenings();
      await allIdle(streams);
      await forEach(ids, (id) => worker.report(id, "ready"));
      await until(() => expect(streams.filter((stream) => !hasReceived(stream, "ready")).length).toBe(0));
      expect(streams.filter(({ events }) => events.length !== 2).length).toBe(0);
      expect(streams.filter(({ isOver }) => isOver).length).toBe(0);
      const after = await worker.awakenings();
      const neverAsleep = Object.keys(opened).filter((shard) => after[shard] === opened[shard]);
      expect(neverAsleep).toEqual([]);
    } finally {
      for (const stream of streams) stream.leave();
    }
  });
}
