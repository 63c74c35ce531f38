import { existsSync, statSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runningOf } from "../../support/process.ts";
import { testFolder } from "../support/cluster.ts";
import { percent, startDiskCluster } from "../support/disk-cluster.ts";
import { eventually } from "../support/eventually.ts";
import { type Failing, failingDisk } from "../support/failing-disk.ts";
import { imageOf, layerOf } from "../support/oci-image.ts";

/*
 * Sessions of an agent on a disk where one of its writes finds no room, and then all of them or no other: for each kind of
 * write that their lives have. What the journal writes is in backends/cuts.test.ts.
 */

const never = 600_000;
const keptBytes = 1024;

/** An agent with a session that lives, on a disk that a test has fail. */
async function setUp(isCrowded: boolean) {
  const dir = await testFolder();
  const startsFile = join(await testFolder(), "starts");
  const cluster = await startDiskCluster({
    dir,
    outputKeptBytes: keptBytes,
    clock: { imageGcEveryMs: never },
    diskMarks: { floor: 0 },
  });
  // Where others take all of it, the agent removes what it can after each pull.
  if (isCrowded) cluster.disk.othersBytes = 100 * percent;
  const startsOf = async (name: string) =>
    (existsSync(startsFile) ? await readFile(startsFile, "utf8") : "")
      .split("\n")
      .flatMap((line) => (line.startsWith(`${name} `) ? [Number(line.slice(name.length + 1))] : []));
  /** Of its own for each name; it prints more than is kept, says who it is, and stays. */
  const imageCalled = (name: string) => {
    const program = `#!/bin/sh\nyes | head -c ${2 * keptBytes}\ntrap 'exit 5' TERM\necho ${name} $$ >>${startsFile}\nsleep 1000 & wait\n`;
    const layer = layerOf([
      { path: "app/run", text: program, mode: 0o755 },
      { path: "app/same", type: "Link", linkpath: "app/run" },
      { path: "app/alias", type: "SymbolicLink", linkpath: "run" },
    ]);
    return imageOf([layer], { Cmd: ["/app/run"] });
  };
  const lives = await cluster.run(imageCalled("lives"));
  await eventually(() => startsOf("lives")).toHaveLength(1);
  const [pid = 0] = await startsOf("lives");
  return { cluster, dir, imageCalled, startsOf, lives, pid, disk: failingDisk(dir) };
}

type Setting = Awaited<ReturnType<typeof setUp>>;

/** A session's life, in which a write may fail, and another one's once there is room. */
async function live(
  { cluster, imageCalled, startsOf, lives, pid, dir, disk }: Setting,
  revision: number,
  isKilled = false,
) {
  const name = `image-${revision}`;
  const { slipway } = cluster;
  const image = imageCalled(name);
  await cluster.announce(image, "prod", revision);
  const { id } = await cluster.send(image);
  await eventually(() => slipway.statusesOf(id)).toSatisfy((statuses: string[]) =>
    ["waiting", "terminated"].some((status) => statuses.includes(status)),
  );
  const isStarted = slipway.statusesOf(id).includes("waiting");
  if (isStarted) await eventually(() => startsOf(name)).toHaveLength(1);
  expect(await startsOf(name)).toHaveLength(isStarted ? 1 : 0);
  expect(await runningOf(await startsOf(name))).toHaveLength(isStarted ? 1 : 0);
  const output = join(dir, "processes", id, "output");
  if (isStarted) {
    await eventually(() => statSync(output).size).toBe(0);
    await cluster.terminate(id, isKilled);
  }
  await cluster.reached(id, "terminated");
  if (isStarted) expect(slipway.acknowledged(id).at(-1)?.exit_code).toBe(isKilled ? 137 : 5);
  else expect(slipway.acknowledged(id).at(-1)).toMatchObject({ termination_reason: "internalerror" });
  expect(await runningOf([...(await startsOf(name)), pid])).toEqual([pid]);

  const hasFailed = disk.hasFailed();
  disk.makeRoom();
  const next = await cluster.run(image);
  await eventually(() => startsOf(name)).toHaveLength(isStarted ? 2 : 1);
  await cluster.terminate(next, true);
  await cluster.reached(next, "terminated");
  await cluster.runtime.clear({ isKnown: (other) => other === lives });
  await eventually(() => readdir(join(dir, "processes"))).toEqual([lives]);
  await eventually(() => cluster.kept("incoming")).toEqual([]);
  if (cluster.disk.othersBytes > 0) {
    const stays = [imageCalled("lives"), image].map(({ digest }) => digest).sort();
    await eventually(async () => (await cluster.kept("roots")).sort()).toEqual(stays);
  }
  expect(slipway.statusesOf(lives).at(-1)).toBe("waiting");
  return hasFailed ? 1 : 0;
}

test.for<[Failing, string, boolean]>([
  ["alone", "that has room otherwise", false],
  ["until there is room", "on which images are removed", true],
])(
  "whichever kind of write fails, %s, on a disk %s, nothing that runs ends, and nothing is started twice or left",
  { timeout: 300_000 },
  async ([failing, , isCrowded]) => {
    const at = await setUp(isCrowded);
    let revision = 0;
    await live(at, ++revision);
    const kinds = [...new Set(at.disk.written())];
    let failed = 0;
    for (const kind of kinds) {
      at.disk.failAt(kind, failing);
      failed += await live(at, ++revision, kind.endsWith("/killed")).catch((error: unknown) => {
        throw new Error(`${kind}: ${error}`, { cause: error });
      });
    }
    // Whether a session gets the copy that is ready, or one of its own, is a matter of the instant.
    expect(failed).toBeGreaterThan(20);
  },
);
