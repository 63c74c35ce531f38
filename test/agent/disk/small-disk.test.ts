import { mkdir, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { measureDisk } from "../../../src/agent/disk/disk.ts";
import { hasCode } from "../../../src/agent/log.ts";
import { makeFolder } from "../../support/folder.ts";
import { run } from "../../support/process.ts";
import { share } from "../../support/shared.ts";
import { sizedImage, startDiskCluster } from "../support/disk-cluster.ts";
import { eventually } from "../support/eventually.ts";

const mib = 1024 ** 2;
let place = "";

/** A file system of its own, that fills like a machine's only disk. */
share({
  programs: ["mount", "umount"],
  async start(stack) {
    const folder = stack.use(await makeFolder());
    const mounted = await run(["mount", "-t", "tmpfs", "-o", "size=24m", "slipway-test", folder.path]);
    if (mounted.exitCode !== 0) throw new Error(mounted.output);
    stack.defer(async () => void (await run(["umount", "--lazy", folder.path])));
    place = folder.path;
  },
});

/** Takes all that is left of the disk. */
async function fill(path: string): Promise<void> {
  const file = await open(path, "w");
  try {
    for (let bytes = mib; bytes >= 1024; ) {
      try {
        await file.write(Buffer.alloc(bytes));
      } catch (error) {
        if (!hasCode(error, "ENOSPC")) throw error;
        bytes /= 2;
      }
    }
  } finally {
    await file.close();
  }
}

test("a disk that has room for twenty images runs any number of them, and one that is full ends nothing", async () => {
  const cluster = await startDiskCluster({ dir: place, diskMeter: measureDisk });
  const { run: runSession, end, send, slipway, kept } = cluster;
  for (let i = 0; i < 30; i++) {
    await end(await runSession(sizedImage(`image ${i}`, mib / 2)));
    // As long as no other pull comes before the look after the last one.
    await eventually(async () => (await kept("roots")).length).toBeLessThanOrEqual(20);
  }
  const live = sizedImage("live", mib / 2);
  const running = await runSession(live);
  // With what this one has taken there may be too little room, until the look after its pull.
  await eventually(() => slipway.heartbeats.at(-1)?.disk?.free_bytes).toBeGreaterThan(0.15 * 24 * mib);
  const ending = await runSession(live);

  const fillers = join(place, "fillers");
  await mkdir(fillers);
  let filled = 0;
  const filledAgain = () => fill(join(fillers, String(filled++)));
  // Somebody takes all that the agent makes free.
  await eventually(async () => {
    await filledAgain();
    return kept("roots");
  }).toEqual([live.digest]);
  await filledAgain();
  await eventually(() => slipway.heartbeats.at(-1)?.disk?.free_bytes).toBeLessThan(0.05 * 24 * mib);
  expect(await send(live)).toMatchObject({ status: 503, retryAfter: "1" });
  const beats = slipway.heartbeats.length;
  await eventually(() => slipway.heartbeats.length).toBeGreaterThan(beats + 3);
  await cluster.terminate(ending, true);
  await cluster.reached(ending, "terminated");
  expect(slipway.statusesOf(running).at(-1)).toBe("waiting");
  expect(slipway.heartbeats.at(-1)?.backends).toContainEqual(
    expect.objectContaining({ id: running, status: "waiting" }),
  );

  await rm(fillers, { recursive: true });
  await eventually(async () => (await send(live)).status).toBe(200);
  await runSession(sizedImage("after", mib / 2));
});
