import { type DiskMarks, isBelowFloor, usedPercent } from "../../domain/disk/disk-space.ts";
import { diskFloorPercent, imageGcHighPercent, imageGcLowPercent } from "../../domain/limits.ts";
import type { HeartbeatBody } from "../../protocol/v3/agent.ts";
import { Disk, type DiskMeter, measureDisk } from "./disk.ts";
import { ImageCollector, type ImageCollectorOptions } from "./image-collector.ts";
import { ImageRecords } from "./image-records.ts";

export interface DiskKeeperOptions extends Omit<ImageCollectorOptions, "records" | "disk" | "marks"> {
  stateDir: string;
  /** Those of the limits where they are left out. */
  marks?: Partial<DiskMarks> | undefined;
  /** This machine's disks where it is left out. */
  meter?: DiskMeter | undefined;
}

const defaultMarks: DiskMarks = {
  high: imageGcHighPercent,
  low: imageGcLowPercent,
  floor: diskFloorPercent,
};

/** What an agent does about the disk of its machine. */
export interface DiskKeeper {
  images: ImageCollector;
  /** Has the disk measured, for what follows. Never rejects. */
  measure(): Promise<unknown>;
  /** Why there is no room for another backend, for people, and has room made; null where there is, or none was measured. */
  whyNoRoom(): string | null;
  /** For heartbeats. */
  measured(): Pick<HeartbeatBody, "disk">;
}

export function diskKeeper({ marks: given, meter = measureDisk, ...options }: DiskKeeperOptions): DiskKeeper {
  const { runtime, stateDir, log } = options;
  const marks = { ...defaultMarks, ...given };
  const disk = new Disk({ imagesFolder: () => runtime.images.folder(), stateDir, meter, log });
  const images = new ImageCollector({ ...options, records: new ImageRecords(stateDir, log), disk, marks });
  return {
    images,
    measure: () => disk.measure(),
    whyNoRoom() {
      if (disk.space === null || !isBelowFloor(disk.space, marks.floor)) return null;
      images.request();
      const free = (100 - usedPercent(disk.space)).toFixed(1);
      return `the disk of this cluster's agent is full: ${free} % of it is free, and a new backend needs ${marks.floor} %`;
    },
    measured() {
      if (disk.space === null) return {};
      return { disk: { free_bytes: disk.space.freeBytes, total_bytes: disk.space.totalBytes } };
    },
  };
}
