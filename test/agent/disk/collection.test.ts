import { rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { RuntimeImages } from "../../../src/agent/runtimes/runtime.ts";
import { type DiskClusterOptions, percent, sizedImage, startDiskCluster } from "../support/disk-cluster.ts";
import { eventually } from "../support/eventually.ts";
import { gate } from "../support/gate.ts";
import type { TestImage } from "../support/oci-image.ts";

/** Each of them takes a little more than 20 % of the disk. */
const [one, two, three, four, five] = ["one", "two", "three", "four", "five"].map((name) =>
  sizedImage(name, percent * 10),
) as [TestImage, TestImage, TestImage, TestImage, TestImage];
const digestsOf = (...images: TestImage[]) => images.map(({ digest }) => digest).sort();

/** A cluster that has run sessions of images, in this order, each of which has ended. */
async function startUsed(images: readonly TestImage[], options: DiskClusterOptions = {}) {
  const cluster = await startDiskCluster(options);
  for (const image of images) await cluster.end(await cluster.run(image));
  return {
    ...cluster,
    roots: () => cluster.kept("roots"),
    removed: () =>
      cluster.events.flatMap(({ event, fields }) => (event === "image.removed" ? [fields.image] : [])),
    /** Resolves once a sweep that began after the call has ended: the next one has begun. */
    async looked() {
      const { sweeps } = cluster.disk;
      await eventually(() => cluster.disk.sweeps).toBeGreaterThan(sweeps + 1);
    },
  };
}

/** Holds removals back, and says which have begun. */
function heldRemovals() {
  const { opened, open } = gate();
  const begun: string[] = [];
  const over = (images: RuntimeImages): RuntimeImages => ({
    ...images,
    async remove(name, kept) {
      begun.push(name);
      await opened;
      return images.remove(name, kept);
    },
  });
  return { begun, open, over };
}

describe("an agent whose disk fills", () => {
  test("removes the images that were not used for longest, down to the low mark, and of them everything", async () => {
    const { roots, kept, disk, removed, looked } = await startUsed([one, two, three]);
    expect((await roots()).sort()).toEqual(digestsOf(one, two, three));
    disk.othersBytes = 26 * percent;
    await eventually(removed).toEqual([one.digest]);
    await looked();
    expect((await roots()).sort()).toEqual(digestsOf(two, three));
    const blobs = await kept("blobs");
    expect(blobs).toEqual(expect.arrayContaining([two.digest, three.digest]));
    // The layer with the program is of all of them.
    const shared = [...one.blobs.keys()].filter((digest) => two.blobs.has(digest));
    expect(shared).toHaveLength(1);
    expect(blobs).toEqual(expect.arrayContaining(shared));
    for (const digest of one.blobs.keys()) if (!shared.includes(digest)) expect(blobs).not.toContain(digest);
    await eventually(() => kept("incoming")).toEqual([]);
  });

  test("leaves what is not so full as it is", async () => {
    const { roots, disk, looked } = await startUsed([one, two, three]);
    disk.othersBytes = 24 * percent;
    await looked();
    expect(await roots()).toHaveLength(3);
  });

  test("counts a session's whole life as use, and each later one", async () => {
    const { roots, run, end, disk, removed, looked } = await startUsed([]);
    const longest = await run(one);
    await end(await run(three));
    await end(await run(two));
    await end(await run(three));
    await looked();
    await end(longest);
    disk.othersBytes = 30 * percent;
    await eventually(removed).toEqual([two.digest]);
    await looked();
    expect((await roots()).sort()).toEqual(digestsOf(one, three));
  });

  test("never removes what a session runs from, however full it is, and ends nothing", async () => {
    const { roots, run, disk, removed, slipway, looked } = await startUsed([one, two]);
    const id = await run(one);
    disk.othersBytes = 100 * percent;
    await eventually(removed).toEqual([two.digest]);
    await looked();
    expect(await roots()).toEqual([one.digest]);
    expect(slipway.statusesOf(id).at(-1)).toBe("waiting");
    expect(slipway.heartbeats.at(-1)?.backends).toMatchObject([{ id, status: "waiting" }]);
  });

  test("never removes what is announced for an environment, until another image is", async () => {
    const { roots, announce, disk, removed, looked } = await startUsed([one]);
    await announce(two, "prod", 4);
    await announce(three, "prod", 5);
    // It has been overtaken.
    await announce(two, "prod", 4);
    await eventually(roots).toHaveLength(3);
    disk.othersBytes = 100 * percent;
    await eventually(removed).toEqual([one.digest]);
    await looked();
    expect((await roots()).sort()).toEqual(digestsOf(two, three));
    await announce(four, "prod", 6);
    await eventually(removed).toEqual(expect.arrayContaining(digestsOf(two, three)));
    await looked();
    await eventually(roots).toEqual([four.digest]);
  });

  test("removes what a pull that failed has left", async () => {
    const { kept, roots, send, reached, disk } = await startUsed([one]);
    const broken = sizedImage("broken", percent);
    const [, padding = ""] = broken.blobs.keys();
    const { id } = await send({
      ...broken,
      blobs: new Map([...broken.blobs].filter(([digest]) => digest !== padding)),
    });
    await reached(id, "terminated");
    expect(await kept("blobs")).toContain(broken.digest);
    disk.othersBytes = 100 * percent;
    await eventually(roots).toEqual([]);
    await eventually(() => kept("blobs")).toEqual([]);
  });

  test("goes on where it was after a restart: what it has pulled, and when that was used", async () => {
    const before = await startUsed([one, two, three]);
    const { slipway, registry, dir } = before;
    await before.end(await before.run(one));
    await before.agent.close({ backends: "keep" });
    const after = await startDiskCluster({ slipway, registry, dir });
    after.disk.othersBytes = 30 * percent;
    await eventually(() => after.kept("roots")).toHaveLength(2);
    await eventually(() => after.kept("incoming")).toEqual([]);
    expect((await after.kept("roots")).sort()).toEqual(digestsOf(one, three));
  });

  test("removes what it has pulled where that was forgotten, but for what is in use", async () => {
    const before = await startUsed([one, two]);
    const { slipway, registry, dir } = before;
    await before.run(three);
    await before.agent.close({ backends: "keep" });
    await rm(join(dir, "state", "images.json"));
    const after = await startDiskCluster({ slipway, registry, dir });
    after.disk.othersBytes = 100 * percent;
    await eventually(() => after.kept("roots")).toEqual([three.digest]);
  });

  test("keeps what sessions of an earlier start run from", async () => {
    const before = await startUsed([two]);
    const { slipway, registry, dir } = before;
    const id = await before.run(one);
    await before.agent.close({ backends: "keep" });
    const after = await startDiskCluster({ slipway, registry, dir });
    after.disk.othersBytes = 100 * percent;
    await eventually(() => after.kept("roots")).toEqual([one.digest]);
    expect(slipway.statusesOf(id).at(-1)).toBe("waiting");
  });
});

describe("an image that is about to be removed", () => {
  test("is pulled again by a session that comes while it is, which waits for that", async () => {
    const { begun, open, over } = heldRemovals();
    const cluster = await startUsed([one], { imagesOver: over, diskMarks: { floor: 0 } });
    const manifestRequests = () =>
      cluster.registry.requests.filter((request) => request === `manifests ${one.digest}`).length;
    cluster.disk.othersBytes = 90 * percent;
    await eventually(() => begun).toEqual([one.digest]);
    const { id } = await cluster.send(one);
    await cluster.reached(id, "loading");
    cluster.disk.othersBytes = 0;
    const { heartbeats } = cluster.slipway;
    const before = heartbeats.length;
    await eventually(() => heartbeats.length).toBeGreaterThan(before + 3);
    expect([manifestRequests(), cluster.slipway.statusesOf(id)]).toEqual([1, ["loading"]]);
    open();
    await cluster.reached(id, "waiting");
    expect(manifestRequests()).toBe(2);
    expect(cluster.removed()).toEqual([one.digest]);
    expect(await cluster.roots()).toEqual([one.digest]);
  });

  test("stays where a session comes before its turn", async () => {
    const { begun, open, over } = heldRemovals();
    const marks = { floor: 0, low: 50 };
    const cluster = await startUsed([one, two], { imagesOver: over, diskMarks: marks });
    cluster.disk.othersBytes = 94 * percent;
    await eventually(() => begun).toEqual([one.digest]);
    cluster.disk.othersBytes = 50 * percent;
    const { id, status } = await cluster.send(two);
    expect(status).toBe(200);
    await cluster.reached(id, "waiting");
    open();
    await eventually(cluster.removed).toEqual([one.digest]);
    await cluster.looked();
    expect(cluster.removed()).toEqual([one.digest]);
    expect(await cluster.roots()).toEqual([two.digest]);
  });

  test("is left to whoever pulls it in the meantime, and what it shares with that too", async () => {
    const { begun, open, over } = heldRemovals();
    const cluster = await startUsed([one], { imagesOver: over, diskMarks: { floor: 0 } });
    const { registry } = cluster;
    cluster.disk.othersBytes = 90 * percent;
    await eventually(() => begun).toEqual([one.digest]);
    cluster.disk.othersBytes = 0;
    // Its manifest is there, and it has found the layer that both have, when the removal goes on.
    const answered = gate();
    registry.intercept = async (request) => {
      if (!request.url?.includes("/manifests/")) await answered.opened;
      return false;
    };
    const { id } = await cluster.send(two);
    await eventually(() => cluster.kept("blobs")).toContain(two.digest);
    open();
    await eventually(cluster.removed).toEqual([one.digest]);
    answered.open();
    await cluster.reached(id, "waiting");
  });
});

describe("a disk with too little room", () => {
  test("refuses new sessions with the reason until there is some, and nothing else", async () => {
    const cluster = await startDiskCluster();
    const { disk, send, run, end, slipway, reached } = cluster;
    const running = await run(one);
    disk.othersBytes = 76 * percent;
    const free = () => slipway.heartbeats.at(-1)?.disk?.free_bytes ?? 100 * percent;
    await eventually(free).toBeLessThan(5 * percent);
    expect(slipway.heartbeats.at(-1)?.disk?.total_bytes).toBe(100 * percent);
    const message = expect.stringMatching(
      /^the disk of this cluster's agent is full: \d\.\d % of it is free/,
    );
    const refused = await send(two);
    expect(refused).toMatchObject({ status: 503, retryAfter: "1", body: { error: { message } } });
    // A repetition of what it has accepted is none.
    expect((await send(one, { backend_id: running })).status).toBe(200);
    await end(running);
    expect(slipway.statusesOf(running).at(-1)).toBe("terminated");
    disk.othersBytes = 0;
    await eventually(free).toBeGreaterThan(50 * percent);
    const { id } = await send(five);
    await reached(id, "waiting");
  });

  test("is in heartbeats and refuses sessions, however seldom images are looked at", async () => {
    const { disk, send, slipway } = await startDiskCluster({ clock: { imageGcEveryMs: 600_000 } });
    for (const [others, status] of [
      [97, 503],
      [0, 200],
    ] as const) {
      disk.othersBytes = others * percent;
      await eventually(() => slipway.heartbeats.at(-1)?.disk?.free_bytes).toBe((100 - others) * percent);
      expect((await send(one)).status).toBe(status);
    }
  });

  test("is what the agent is started with", async () => {
    const { disk, send } = await startDiskCluster({ diskMarks: { floor: 0, high: 100 } });
    disk.othersBytes = 100 * percent;
    expect((await send(one)).status).toBe(200);
  });
});
