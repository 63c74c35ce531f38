import { pathOf } from "../../support/programs.ts";
import type { Sandbox } from "../sandbox.ts";
import { median } from "../statistics.ts";
import { openClient, type PushWay, pushWays } from "./client.ts";
import { type CrowdMemory, measureCrowd } from "./crowd.ts";
import { type Image, randomImage } from "./image.ts";
import { type RegistryServer, referenceProgram, startReference, startSlipway } from "./servers.ts";

const shapes = [
  { name: "200 layers of 100 KB", layerCount: 200, layerBytes: 100_000 },
  { name: "a layer of 100 MB", layerCount: 1, layerBytes: 100_000_000 },
  { name: "a layer of 200 MB", layerCount: 1, layerBytes: 200_000_000 },
] as const;
export type ShapeName = (typeof shapes)[number]["name"];

/** In the order in which they are done. */
const actions = ["push", "pull"] as const;
type Action = (typeof actions)[number];

/** Longer than any that succeeds; a registry that hangs ends the run. */
const turnTimeoutMs = 120_000;
/** Aimed at for the throughput, as a share of the reference's. */
const minRatio = 0.5;
/** A registry that holds a layer in memory grows by 100 MB and more from the one large layer to the other. */
const maxGrowthBytes = 25_000_000;
const warmUpLayerBytes = 1000;

interface Done {
  bytesPerSecond: number;
  /** The most memory that the process had held since its start when this was done. */
  peakBytes: number;
}

type Turn = Record<Action, Done> & { peakAtStartBytes: number };

/** What a subject and the reference did, round by round, with an image of one shape pushed in one way. */
interface Contest {
  shape: ShapeName;
  way: PushWay;
  subject: readonly Turn[];
  reference: readonly Turn[];
}

export interface RegistrySpeed {
  shape: ShapeName;
  /** Of the push that is measured, or that made what is pulled. */
  way: PushWay;
  action: Action;
  /** Medians of the rounds. */
  subjectBytesPerSecond: number;
  referenceBytesPerSecond: number;
  /** The median of the rounds' own ratios. */
  ratio: number;
  aim: { minRatio: number; met: boolean };
}

/** Peaks of a process that pushed one image, and then pulled it; medians of the rounds. */
export interface RegistryMemory {
  registry: "slipway (workerd)" | typeof referenceProgram;
  way: PushWay;
  /** The action that the peak was reached by: each pull follows its push. */
  action: Action;
  startBytes: number;
  byShape: { shape: ShapeName; peakBytes: number }[];
  /** From the layer of 100 MB to the layer of 200 MB. */
  growthBytes: number;
  aim: { maxGrowthBytes: number; met: boolean };
}

export interface RegistryComparison {
  speeds: RegistrySpeed[];
  memory: RegistryMemory[];
  crowd: CrowdMemory;
}

/**
 * Pushes and pulls the same images through Slipway's registry and through CNCF distribution, in turn, each time in
 * fresh processes on fresh state.
 * @returns why not, where the reference is not installed
 */
export async function compareRegistries(
  sandbox: Sandbox,
  rounds: number,
  onProgress: (text: string) => void,
): Promise<RegistryComparison | { skipped: string }> {
  if (pathOf(referenceProgram) === null) {
    return { skipped: `${referenceProgram} (Debian's package of that name) is not on the PATH` };
  }
  const contests: Contest[] = [];
  for (const { name: shape, layerCount, layerBytes } of shapes) {
    const image = randomImage(layerCount, layerBytes);
    for (const way of pushWays) {
      const subject: Turn[] = [];
      const reference: Turn[] = [];
      for (let round = 1; round <= rounds; round++) {
        reference.push(await turn(() => startReference(sandbox), image, way));
        subject.push(await turn(() => startSlipway(sandbox), image, way));
        const done = [reference, subject].map((turns) => {
          const { push, pull } = turns.at(-1) ?? {};
          return [push, pull].map((one) => ((one?.bytesPerSecond ?? 0) / 1e6).toFixed(0)).join(" and ");
        });
        onProgress(`registry: ${shape} by ${way} ${round}/${rounds}: ${done.join(", ")} MB/s`);
      }
      contests.push({ shape, way, subject, reference });
    }
  }
  return {
    speeds: contests.flatMap((contest) => actions.map((action) => speedOf(contest, action))),
    memory: (["subject", "reference"] as const).flatMap((side) =>
      pushWays.flatMap((way) => actions.map((action) => memoryOf(side, way, action, contests))),
    ),
    crowd: await measureCrowd(sandbox),
  };
}

async function turn(start: () => Promise<RegistryServer>, image: Image, way: PushWay): Promise<Turn> {
  await using server = await start();
  const client = openClient(server.repository, AbortSignal.timeout(turnTimeoutMs));
  const imageBytes = image.layers.reduce((total, { bytes }) => total + bytes.length, 0);
  async function done(work: () => Promise<void>): Promise<Done> {
    const from = performance.now();
    await work();
    const seconds = (performance.now() - from) / 1000;
    return { bytesPerSecond: imageBytes / seconds, peakBytes: await server.peakBytes() };
  }
  try {
    // What a registry does once, in its first push and pull, is not measured.
    await client.push(randomImage(1, warmUpLayerBytes), "warm-up", way);
    await client.pull("warm-up");
    const peakAtStartBytes = await server.peakBytes();
    const push = await done(() => client.push(image, "measured", way));
    const pull = await done(() => client.pull("measured"));
    return { peakAtStartBytes, push, pull };
  } finally {
    client.close();
  }
}

function speedOf({ shape, way, subject, reference }: Contest, action: Action): RegistrySpeed {
  const speeds = (turns: readonly Turn[]) => turns.map((turn) => turn[action].bytesPerSecond);
  const references = speeds(reference);
  const ratio = median(speeds(subject).map((speed, round) => speed / (references[round] ?? Number.NaN)));
  return {
    shape,
    way,
    action,
    subjectBytesPerSecond: median(speeds(subject)),
    referenceBytesPerSecond: median(references),
    ratio,
    aim: { minRatio, met: ratio >= minRatio },
  };
}

function memoryOf(
  side: "subject" | "reference",
  way: PushWay,
  action: Action,
  contests: readonly Contest[],
): RegistryMemory {
  const ofWay = contests.filter((contest) => contest.way === way);
  const byShape = ofWay.map((contest) => ({
    shape: contest.shape,
    peakBytes: median(contest[side].map((turn) => turn[action].peakBytes)),
  }));
  const peakOf = (name: ShapeName) => byShape.find(({ shape }) => shape === name)?.peakBytes ?? Number.NaN;
  const growthBytes = peakOf("a layer of 200 MB") - peakOf("a layer of 100 MB");
  return {
    registry: side === "subject" ? "slipway (workerd)" : referenceProgram,
    way,
    action,
    startBytes: median(ofWay.flatMap((contest) => contest[side].map((turn) => turn.peakAtStartBytes))),
    byShape,
    growthBytes,
    aim: { maxGrowthBytes, met: growthBytes <= maxGrowthBytes },
  };
}
