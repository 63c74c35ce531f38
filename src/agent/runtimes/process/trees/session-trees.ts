import { randomUUID } from "node:crypto";
import { mkdir, rename } from "node:fs/promises";
import { join, sep } from "node:path";
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

  constructor(options: SessionTreesOptions) {
    this.#options = options;
  }

  /** Begins to make a copy for the next session, where there is none yet. */
  prepare(root: string): void {
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

  /** Removes the copies that no session has of the images below a folder. */
  async discardOf(folder: string): Promise<void> {
    const isBelow = (root: string) => root.startsWith(`${folder}${sep}`);
    for (const [root, refill] of this.#refills) {
      if (!isBelow(root)) continue;
      clearTimeout(refill);
      this.#refills.delete(root);
    }
    for (const [root, spare] of this.#spares) {
      if (!isBelow(root)) continue;
      this.#spares.delete(root);
      const path = await spare;
      if (path !== null) await this.#discard(path);
    }
  }

  #refillLater(root: string): void {
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
