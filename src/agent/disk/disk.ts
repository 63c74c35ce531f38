import { statfs } from "node:fs/promises";
import type { DiskSpace } from "../../domain/disk/disk-space.ts";
import { type Log, messageOf } from "../log.ts";

/** Measures the disk that a folder is on. Rejects where it cannot be read. */
export type DiskMeter = (folder: string) => Promise<DiskSpace>;

/** As `df` has it: what is kept for root counts as neither free nor there. */
export const measureDisk: DiskMeter = async (folder) => {
  const { bsize, blocks, bfree, bavail } = await statfs(folder);
  return { freeBytes: bavail * bsize, totalBytes: (blocks - bfree + bavail) * bsize };
};

export interface DiskOptions {
  /** Where images are, null where that is not known. */
  imagesFolder: () => Promise<string | null>;
  /** Measured where the images' folder cannot be. */
  stateDir: string;
  meter: DiskMeter;
  log: Log;
}

/** The disk that images take, as it was last measured. */
export class Disk {
  readonly #options: DiskOptions;
  #space: DiskSpace | null = null;
  #imagesFolder: string | null = null;
  #measuring: Promise<DiskSpace | null> | null = null;
  #problem = "";

  constructor(options: DiskOptions) {
    this.#options = options;
  }

  /** Null where it was not measured yet. */
  get space(): DiskSpace | null {
    return this.#space;
  }

  /** Measures it anew, or joins in where that is under way. @returns the earlier measure where it fails; never rejects */
  measure(): Promise<DiskSpace | null> {
    this.#measuring ??= this.#measure().finally(() => {
      this.#measuring = null;
    });
    return this.#measuring;
  }

  async #measure(): Promise<DiskSpace | null> {
    const { imagesFolder, stateDir, meter } = this.#options;
    try {
      this.#imagesFolder ??= await imagesFolder();
    } catch (error) {
      // Such as an engine that is away: the next measure may find it.
      this.#note(error);
    }
    for (const folder of [this.#imagesFolder, stateDir]) {
      if (folder === null) continue;
      try {
        this.#space = await meter(folder);
        return this.#space;
      } catch (error) {
        // Such as the folder of an engine that is not readable here.
        this.#note(error);
      }
    }
    return this.#space;
  }

  /** Logs a problem, until there is another one. */
  #note(error: unknown): void {
    const problem = messageOf(error);
    if (problem !== this.#problem) this.#options.log("disk.not_measured", { error: problem });
    this.#problem = problem;
  }
}
