import { type DiskMarks, type DiskSpace, isBelowFloor, usedPercent } from "./disk-space.ts";

/** An image on a machine's disk, under the name that the machine knows it by. */
export interface PresentImage {
  name: string;
  /** What its removal frees at most: images may share some of it. */
  sizeBytes: number;
}

/** Whether a disk is so full that images are to be removed. The marks may be such that spawns are refused before. */
export function isCollectionDue(disk: DiskSpace, { high, floor }: DiskMarks): boolean {
  return usedPercent(disk) > high || isBelowFloor(disk, floor);
}

/**
 * Which images a collection removes next, in this order: those whose last use is longest ago, as few as bring the disk
 * down to the low mark, and up to the floor, if each frees all of its size. So the disk is to be measured again afterwards: where images share
 * something there may be more to remove.
 * @param pulled when this agent has last used each of the images that it pulled itself, in milliseconds since the epoch: no
 *   other is removed
 * @param isInUse whether something runs, starts or will start from an image: such a one is not removed
 */
export function imagesToRemove({
  disk,
  marks,
  present,
  pulled,
  isInUse,
}: {
  disk: DiskSpace;
  marks: Pick<DiskMarks, "low" | "floor">;
  present: readonly PresentImage[];
  pulled: ReadonlyMap<string, number>;
  isInUse: (name: string) => boolean;
}): string[] {
  const candidates = present
    .flatMap((image) => {
      const lastUsedAt = pulled.get(image.name);
      return lastUsedAt === undefined || isInUse(image.name) ? [] : [{ ...image, lastUsedAt }];
    })
    .sort((one, other) => one.lastUsedAt - other.lastUsedAt);
  const goal = Math.min(marks.low, 100 - marks.floor);
  const chosen: string[] = [];
  let { freeBytes } = disk;
  for (const { name, sizeBytes } of candidates) {
    if (usedPercent({ ...disk, freeBytes }) <= goal) break;
    chosen.push(name);
    freeBytes += sizeBytes;
  }
  return chosen;
}
