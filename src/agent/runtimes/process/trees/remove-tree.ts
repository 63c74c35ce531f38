import { chmod, lstat, readdir, rmdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as elapse } from "node:timers/promises";
import { hasCode } from "../../../log.ts";

/** For what a process that has just been killed, or one that got away, still puts there or takes away. */
const attemptsMax = 4;
const attemptEveryMs = 50;

/**
 * Removes what is at a path, folders that their owner has closed to itself included. No link is followed. Harmless where
 * nothing is; rejects where something remains. One name after another: `rm` of Node takes all of a folder at once, and for
 * thousands of files lets nothing else run.
 */
export async function removeTree(path: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await removeOnce(path);
    } catch (error) {
      const mayChange = hasCode(error, "ENOTEMPTY") || hasCode(error, "ENOENT");
      if (!mayChange || attempt === attemptsMax) throw error;
      await elapse(attemptEveryMs);
    }
  }
}

async function removeOnce(path: string): Promise<void> {
  try {
    if (!(await lstat(path)).isDirectory()) return await unlink(path);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return;
    throw error;
  }
  const folders = [path];
  for (const folder of folders) {
    await chmod(folder, 0o700);
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const inside = join(folder, entry.name);
      if (entry.isDirectory()) folders.push(inside);
      else await unlink(inside);
    }
  }
  for (const folder of folders.toReversed()) await rmdir(folder);
}
