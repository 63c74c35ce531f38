import { chmod, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { hasCode } from "../../../log.ts";

/** For what a process that has just been killed, or one that got away, still puts there. */
const attempts = { maxRetries: 3, retryDelay: 50 };

/**
 * Removes what is at a path, folders that their owner has closed to itself included. No link is followed. Harmless where
 * nothing is; rejects where something remains.
 */
export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true, ...attempts });
  } catch (error) {
    if (!hasCode(error, "EACCES") && !hasCode(error, "EPERM")) throw error;
    await openFolders(path);
    await rm(path, { recursive: true, force: true, ...attempts });
  }
}

async function openFolders(path: string): Promise<void> {
  await chmod(path, 0o700);
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (entry.isDirectory()) await openFolders(join(path, entry.name));
  }
}
