import { constants, type Stats } from "node:fs";
import { chmod, copyFile, link, lstat, mkdir, readdir, readlink, symlink } from "node:fs/promises";
import { join } from "node:path";
import type { UnpackingLimits } from "../images/unpacking-limits.ts";
import type { Turns } from "./turns.ts";

/** How much a tree may hold to be copied. */
export type TreeLimits = Pick<UnpackingLimits, "imageMaxBytes" | "placesMax">;

/** How many files of a tree are copied at a time, if the turns allow. */
const filesAtOnce = 4;

/**
 * Copies a tree of folders, files and links to a path where nothing is: with their modes, links as they are, files that
 * were one with several names as one again. No link is followed, so nothing outside of the tree is read. Files share their
 * blocks with the original's where the file system can do that. Rejects at anything else that is found, beyond the limits
 * and where the disk fails; what was copied until then stays, and nothing more is being written.
 */
export async function copyTree(from: string, to: string, limits: TreeLimits, turns: Turns): Promise<void> {
  await new TreeCopy(from, to, limits, turns).run();
}

class TreeCopy {
  readonly #from: string;
  readonly #to: string;
  readonly #limits: TreeLimits;
  readonly #turns: Turns;
  /** What is no folder, as paths below the tree's root. */
  readonly #leaves: string[] = [];
  /** Where the first name of a file with several was copied to, by what identifies the file. */
  readonly #linked = new Map<string, Promise<string>>();
  #places = 0;
  #bytes = 0;
  #hasFailed = false;

  constructor(from: string, to: string, limits: TreeLimits, turns: Turns) {
    this.#from = from;
    this.#to = to;
    this.#limits = limits;
    this.#turns = turns;
  }

  async run(): Promise<void> {
    await this.#makeFolders();
    const ahead = this.#leaves.values();
    const workers = await Promise.allSettled(
      Array.from({ length: filesAtOnce }, () => this.#copyLeaves(ahead)),
    );
    for (const ended of workers) if (ended.status === "rejected") throw ended.reason;
  }

  async #makeFolders(): Promise<void> {
    const ahead = [""];
    for (let folder = ahead.pop(); folder !== undefined; folder = ahead.pop()) {
      const path = folder;
      const entries = await this.#turns(async () => {
        const to = join(this.#to, path);
        await mkdir(to, { mode: 0o700 });
        // The mode of a new folder is narrowed by the process's mask.
        await chmod(to, (await lstat(join(this.#from, path))).mode & 0o7777);
        return readdir(join(this.#from, path), { withFileTypes: true });
      });
      this.#places += entries.length;
      if (this.#places > this.#limits.placesMax) {
        throw new Error(`it has more than ${this.#limits.placesMax} files, links and folders`);
      }
      for (const entry of entries) (entry.isDirectory() ? ahead : this.#leaves).push(join(path, entry.name));
    }
  }

  async #copyLeaves(ahead: Iterable<string>): Promise<void> {
    try {
      for (const path of ahead) {
        if (this.#hasFailed) return;
        await this.#copyLeaf(path);
      }
    } catch (error) {
      this.#hasFailed = true;
      throw error;
    }
  }

  async #copyLeaf(path: string): Promise<void> {
    const from = join(this.#from, path);
    const to = join(this.#to, path);
    const found = await this.#turns(() => lstat(from));
    if (found.isSymbolicLink()) {
      await this.#turns(async () => symlink(await readlink(from), to));
      return;
    }
    if (!found.isFile()) throw new Error(`\`${path}\` is no file, link or folder`);
    if (found.nlink === 1) return this.#copyFile(from, to, found);
    const file = `${found.dev}:${found.ino}`;
    const first = this.#linked.get(file);
    if (first !== undefined) return link(await first, to);
    const copied = this.#copyFile(from, to, found).then(() => to);
    this.#linked.set(file, copied);
    await copied;
  }

  async #copyFile(from: string, to: string, { size }: Stats): Promise<void> {
    this.#bytes += size;
    if (this.#bytes > this.#limits.imageMaxBytes) {
      throw new Error(`it has more than ${this.#limits.imageMaxBytes} bytes`);
    }
    await this.#turns(() => copyFile(from, to, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL));
  }
}
