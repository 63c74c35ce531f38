import { execFile } from "node:child_process";
import { appendFileSync, closeSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { hasCode } from "../../src/agent/log.ts";
import { type Folder, makeFolder } from "./folder.ts";

const run = promisify(execFile);

/** A folder on a disk of its own that is soon full. */
export interface SmallDisk extends Folder {
  /** Takes all the room that there is. */
  fill(): void;
  /** Gives back what was taken. */
  free(): void;
}

/** A disk in memory. @returns why there is none, where this machine or user cannot mount it */
export async function mountSmallDisk(bytes: number): Promise<SmallDisk | string> {
  if (process.platform !== "linux" || process.getuid?.() !== 0)
    return "only root on Linux mounts a small disk";
  const folder = await makeFolder();
  try {
    await run("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", folder.path]);
  } catch (error) {
    await folder[Symbol.asyncDispose]();
    return `no small disk can be mounted here: ${String(error)}`;
  }
  const filler = join(folder.path, "filler");
  return {
    path: folder.path,
    fill() {
      appendFileSync(filler, "");
      const file = openSync(filler, "a");
      try {
        for (let size = 64 * 1024; size >= 1; ) {
          try {
            writeSync(file, Buffer.alloc(size));
          } catch (error) {
            if (!hasCode(error, "ENOSPC")) throw error;
            size = Math.floor(size / 2);
          }
        }
      } finally {
        closeSync(file);
      }
    },
    free: () => rmSync(filler, { force: true }),
    async [Symbol.asyncDispose]() {
      await run("umount", ["--lazy", folder.path]);
      await folder[Symbol.asyncDispose]();
    },
  };
}
