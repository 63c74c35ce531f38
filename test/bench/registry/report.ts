import { table } from "../table.ts";
import type { CrowdMemory } from "./crowd.ts";
import type { RegistryComparison, RegistryMemory, RegistrySpeed } from "./measure.ts";

const whoseJoining =
  "What came by PATCH lies in parts, and Miniflare's R2 joins them in JavaScript at each pull: neither R2 nor the registry does.";

/** Throughputs beside the reference's and the peaks of memory, for people. */
export function registryTables({ speeds, memory, crowd }: RegistryComparison): string {
  return [speedTable(speeds), whoseJoining, memoryTable(memory), crowdTable(crowd)].join("\n\n");
}

function crowdTable({ uploads, layers }: CrowdMemory): string {
  return table([
    ["peak memory in MB of many at once", "at start", "peak"],
    ["40 uploads that have stalled", ...[uploads.startBytes, uploads.stalledBytes].map(megabytes)],
    ["… and that have gone on to their ends", "", megabytes(uploads.finishedBytes)],
    ["five layers of 100 MB, by PATCH", ...[layers.startBytes, layers.peakBytes].map(megabytes)],
  ]);
}

function speedTable(speeds: readonly RegistrySpeed[]): string {
  return table([
    ["registry, against docker-registry", "MB/s", "docker-registry", "ratio", "aim"],
    ...speeds.map(({ shape, way, action, subjectBytesPerSecond, referenceBytesPerSecond, ratio, aim }) => [
      `${shape}: ${actionText(action, way)}`,
      megabytes(subjectBytesPerSecond),
      megabytes(referenceBytesPerSecond),
      ratio.toFixed(2),
      `>= ${aim.minRatio}: ${aim.met ? "met" : "missed"}`,
    ]),
  ]);
}

function memoryTable(memory: readonly RegistryMemory[]): string {
  const shapes = memory[0]?.byShape.map(({ shape }) => shape) ?? [];
  return table([
    ["peak memory in MB", "at start", ...shapes, "growth from 100 to 200 MB", "aim"],
    ...memory.map(({ registry, way, action, startBytes, byShape, growthBytes, aim }) => [
      `${registry}: ${action === "pull" ? "and then " : ""}${actionText(action, way)}`,
      megabytes(startBytes),
      ...byShape.map(({ peakBytes }) => megabytes(peakBytes)),
      megabytes(growthBytes),
      `<= ${megabytes(aim.maxGrowthBytes)}: ${aim.met ? "met" : "missed"}`,
    ]),
  ]);
}

function actionText(action: RegistrySpeed["action"], way: RegistrySpeed["way"]): string {
  return action === "push" ? `push by ${way.toUpperCase()}` : `pull of what came by ${way.toUpperCase()}`;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
