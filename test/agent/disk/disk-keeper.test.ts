import { statfs } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { Disk, type DiskMeter, measureDisk } from "../../../src/agent/disk/disk.ts";
import { diskKeeper } from "../../../src/agent/disk/disk-keeper.ts";
import { heartbeatBody } from "../../../src/protocol/v3/agent.ts";
import { makeFolder } from "../../support/folder.ts";
import { eventually } from "../support/eventually.ts";
import { processesIn } from "../support/quick.ts";

async function folder(): Promise<string> {
  const made = await makeFolder();
  onTestFinished(() => made[Symbol.asyncDispose]());
  return made.path;
}

function keeperOf(stateDir: string, meter: DiskMeter) {
  const nothing = { inUse: () => [], isKnown: () => false, everyMs: 1_000, log: () => undefined };
  return diskKeeper({ ...nothing, runtime: processesIn(stateDir), stateDir, meter });
}

test("a disk is as full as df says", async () => {
  const path = await folder();
  const { freeBytes, totalBytes } = await measureDisk(path);
  const { bsize, blocks, bavail } = await statfs(path);
  expect(freeBytes).toBeGreaterThan(0);
  expect(Math.abs(freeBytes - bavail * bsize) / totalBytes).toBeLessThan(0.05);
  expect(totalBytes).toBeLessThanOrEqual(blocks * bsize);
  expect(totalBytes).toBeGreaterThan(freeBytes);
});

test("is that of the images, else of the state directory, else the one that was measured last", async () => {
  const events: string[] = [];
  const where: { images: string | null | Error; readable: string[] } = { images: null, readable: ["/state"] };
  const disk = new Disk({
    imagesFolder: async () => {
      if (where.images instanceof Error) throw where.images;
      return where.images;
    },
    stateDir: "/state",
    meter: async (path) => {
      if (!where.readable.includes(path)) throw new Error(`no access to ${path}`);
      return { freeBytes: path.length, totalBytes: 100 };
    },
    log: (event, fields) => events.push(`${event}: ${fields?.error}`),
  });
  expect(disk.space).toBeNull();
  expect(await disk.measure()).toMatchObject({ freeBytes: "/state".length });
  where.images = new Error("the engine is away");
  for (let i = 0; i < 3; i++) expect(await disk.measure()).toMatchObject({ freeBytes: "/state".length });
  expect(events).toEqual(["disk.not_measured: the engine is away"]);
  where.images = "/images/here";
  expect(await disk.measure()).toMatchObject({ freeBytes: "/state".length });
  where.readable = ["/images/here", "/state"];
  expect(await disk.measure()).toMatchObject({ freeBytes: "/images/here".length });
  where.readable = [];
  expect(await disk.measure()).toMatchObject({ freeBytes: "/images/here".length });
  expect(disk.space).toMatchObject({ freeBytes: "/images/here".length });
});

test("is measured anew by each who asks, since it has changed, and the latest measure counts", async () => {
  const answers: ((freeBytes: number) => void)[] = [];
  const disk = new Disk({
    imagesFolder: async () => null,
    stateDir: "/state",
    meter: () =>
      new Promise((resolve) => answers.push((freeBytes) => resolve({ freeBytes, totalBytes: 100 }))),
    log: () => undefined,
  });
  const [before, after] = [disk.measure(), disk.measure()];
  await eventually(() => answers.length).toBe(2);
  answers[1]?.(60);
  expect(await after).toMatchObject({ freeBytes: 60 });
  answers[0]?.(10);
  expect(await before).toMatchObject({ freeBytes: 60 });
  expect(disk.space).toMatchObject({ freeBytes: 60 });
});

test.for([
  [1.5, 9.5, 1, 9],
  [-4096, 2 ** 64, 0, Number.MAX_SAFE_INTEGER],
  [2 ** 63, 2 ** 63, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
])("heartbeats are good whatever a file system says: %d of %d", async ([free = 0, total = 0, ...said]) => {
  const path = await folder();
  const keeper = keeperOf(join(path, "state"), async () => ({ freeBytes: free, totalBytes: total }));
  expect(keeper.measured()).toEqual({});
  await keeper.measure();
  const disk = heartbeatBody.shape.disk.parse(keeper.measured().disk);
  expect([disk?.free_bytes, disk?.total_bytes]).toEqual(said);
});
