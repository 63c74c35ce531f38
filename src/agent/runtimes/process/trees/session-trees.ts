import { randomUUID } from "node:crypto";
import { mkdir, rename } from "node:fs/promises";
import { join, sep } from "node:path";
import { isDiskFull } from "../../../log.ts";
import { copyTree, type TreeLimits } from "./copy-tree.ts";
import { removeTree } from "./remove-tree.ts";
import { turnsOf } from "./turns.ts";

/**
 * How many operations on files all copies make at a time. Node has four threads for these, and for looking up names: one
 * is left to the rest of the agent.
 */
const operationsAtOnce = 3;
/** Of how many images, those used last, a copy is kept ready. */
const sparesMax = 4;
/** After a session was given its copy, before the next one is made: what is starting comes first. */
const defaultRefillAfterMs = 1_000;

export interface SessionTreesOptions {
  /** For copies that no session has yet. What an earlier agent has left in it is removed. */
  dir: string;
  limits: TreeLimits;
  refillAfterMs?: number;
}

/**
 * Gives each session its own copy of an image's unpacked files. A session runs as the user whose files these are, and may
 * change every one of them, so that none is shared. A copy of a large image takes seconds where the file system
 * does not share blocks, so that of each image one is kept ready.
 */
export class SessionTrees {
  readonly #options: SessionTreesOptions;
  readonly #turns = turnsOf(operationsAtOnce);
  /** Where the copies are that are ready or being made, by the image's root, those used last at the end. */
  readonly #spares = new Map<string, Promise<string | null>>();
  readonly #refills = new Map<string, NodeJS.Timeout>();
  #cleared: Promise<void> | undefined;
  #makingRoom: Promise<void> | undefined;
  /** How many times copies were removed to make room. */
  #discards = 0;
  /** Whether there was no room when it was looked for last: then no copy is made but for a session. */
  #isFull = false;

  constructor(options: SessionTreesOptions) {
    this.#options = options;
  }

  /** Begins to make a copy for the next session, where there is none yet. */
  prepare(root: string): void {
    this.#isFull = false;
    const spare = this.#spares.get(root) ?? this.#makeSpare(root);
    this.#spares.delete(root);
    this.#spares.set(root, spare);
    for (const [other, unused] of this.#spares) {
      if (this.#spares.size <= sparesMax) return;
      this.#spares.delete(other);
      void unused.then((path) => (path === null ? undefined : this.#discard(path)));
    }
  }

  /** Gives a session its copy, at a path where nothing is. Rejects where it cannot be made; a part of it may be left then. */
  async give(root: string, path: string): Promise<void> {
    const spare = this.#spares.get(root);
    this.#spares.delete(root);
    try {
      if (spare && (await this.#move(await spare, path))) return;
      await copyTree(root, path, this.#options.limits, this.#turns);
    } finally {
      this.#refillLater(root);
    }
  }

  /**
   * Does what takes room on the disk; where there is none, once again without the copies that no session has.
   * @param work where it rejects, it has left nothing
   */
  async withRoom<T>(work: () => Promise<T>): Promise<T> {
    const discards = this.#discards;
    try {
      return await work();
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      this.#isFull = true;
      this.#makingRoom ??= this.#discardIf(() => true).finally(() => {
        this.#makingRoom = undefined;
      });
      await this.#makingRoom;
      // Others may have made room too.
      if (this.#discards === discards) throw error;
      return await work();
    }
  }

  /** Removes the copies that no session has of the images below a folder. */
  discardOf(folder: string): Promise<void> {
    return this.#discardIf((root) => root.startsWith(`${folder}${sep}`));
  }

  async #discardIf(isMeant: (root: string) => boolean): Promise<void> {
    for (const [root, refill] of this.#refills) {
      if (!isMeant(root)) continue;
      clearTimeout(refill);
      this.#refills.delete(root);
    }
    const spares = Array.from(this.#spares).filter(([root]) => isMeant(root));
    for (const [root] of spares) this.#spares.delete(root);
    for (const [, spare] of spares) {
      const path = await spare;
      if (path !== null) await this.#discard(path);
    }
    if (spares.length > 0) this.#discards++;
  }

  #refillLater(root: string): void {
    if (this.#isFull) return;
    clearTimeout(this.#refills.get(root));
    const refill = () => {
      this.#refills.delete(root);
      this.prepare(root);
    };
    const { refillAfterMs = defaultRefillAfterMs } = this.#options;
    this.#refills.set(root, setTimeout(refill, refillAfterMs).unref());
  }

  /** @returns where the copy is; null where it could not be made, which a session that needs it will see itself */
  async #makeSpare(root: string): Promise<string | null> {
    const { dir, limits } = this.#options;
    const path = join(dir, randomUUID());
    try {
      this.#cleared ??= removeTree(dir);
      await this.#cleared;
      await mkdir(dir, { recursive: true, mode: 0o700 });
      await copyTree(root, path, limits, this.#turns);
      return path;
    } catch {
      await this.#discard(path);
      return null;
    }
  }

  /** @returns false where it is not there any more, or cannot be moved there */
  async #move(spare: string | null, path: string): Promise<boolean> {
    if (spare === null) return false;
    try {
      await rename(spare, path);
      return true;
    } catch {
      await this.#discard(spare);
      return false;
    }
  }

  async #discard(spare: string): Promise<void> {
    // What remains is removed by the next start.
    await removeTree(spare).catch(() => undefined);
  }
}
