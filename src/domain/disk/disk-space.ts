/** How full a disk is: of the room that its users may take, as `df` has it in its column of percents. */
export interface DiskSpace {
  freeBytes: number;
  totalBytes: number;
}

/** In percent of the disk. */
export interface DiskMarks {
  /** In use: above it images are removed. */
  high: number;
  /** In use: down to it they are. Less than `high`. */
  low: number;
  /** Free: below it there is no room for a new backend. */
  floor: number;
}

/** How much of a disk is in use, in percent; all of one that holds nothing. */
export function usedPercent({ freeBytes, totalBytes }: DiskSpace): number {
  return totalBytes === 0 ? 100 : (100 * (totalBytes - freeBytes)) / totalBytes;
}

/** Whether a disk has too little room for a new backend. @param floor in percent; 0 for a disk that may be full */
export function isBelowFloor(disk: DiskSpace, floor: number): boolean {
  return 100 - usedPercent(disk) < floor;
}
