import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmdirSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { whyNotWith } from "./programs.ts";

/** A file system of its own, in memory, that a test fills. */
export interface SmallDisk extends Disposable {
  path: string;
  /** Takes what room there is, to the last byte. */
  fill(): void;
  /** Gives back what was taken. */
  makeRoom(): void;
}

const fillingBytes = [1024 * 1024, 4096, 1];

/** Why a file system cannot be mounted here; null where it can. */
export function whyNoSmallDisk(): string | null {
  const whyNot = whyNotWith("mount", "umount");
  if (whyNot !== null) return whyNot;
  try {
    mountSmallDisk(1024 * 1024)[Symbol.dispose]();
    return null;
  } catch (error) {
    if (process.env.CI) throw error;
    return `a file system cannot be mounted here: ${String(error)}`;
  }
}

export function mountSmallDisk(bytes: number): SmallDisk {
  const path = mkdtempSync(join(tmpdir(), "slipway-disk-"));
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", path]);
  if (mounted.status !== 0) {
    rmdirSync(path);
    throw new Error(mounted.error?.message ?? mounted.stderr.toString().trim());
  }
  const filling = join(path, "filling");
  return {
    path,
    fill() {
      const file = openSync(filling, "a");
      for (const size of fillingBytes) while (isWritten(file, Buffer.alloc(size)));
      closeSync(file);
    },
    makeRoom: () => rmSync(filling, { force: true }),
    [Symbol.dispose]() {
      // Also where a process that has just ended still has files of it open.
      spawnSync("umount", ["--lazy", path]);
      rmdirSync(path);
    },
  };
}

function isWritten(file: number, bytes: Buffer): boolean {
  try {
    return writeSync(file, bytes) === bytes.length;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOSPC") return false;
    throw error;
  }
}
