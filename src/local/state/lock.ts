import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { hasCode } from "../../agent/log.ts";

/**
 * Locks a state directory for this process; a lock whose process has ended is taken over.
 * @returns what releases it. Rejects where a live process holds it.
 */
export async function lockStateDir(stateDir: string): Promise<() => Promise<void>> {
  const path = join(stateDir, "pid");
  for (;;) {
    try {
      await writeFile(path, `${process.pid}\n`, { flag: "wx", mode: 0o600 });
      return () => rm(path, { force: true });
    } catch (error) {
      if (!hasCode(error, "EEXIST")) throw error;
    }
    const holder = await holderOf(path);
    if (holder !== null && isAlive(holder)) {
      throw new Error(
        `${stateDir} is in use by process ${holder}: stop it first, or name another directory with --state-dir` +
          ` (if that process is not Slipway, remove ${path})`,
      );
    }
    await rm(path, { force: true });
  }
}

async function holderOf(path: string): Promise<number | null> {
  try {
    const pid = Number(await readFile(path, "utf8"));
    return Number.isInteger(pid) && pid > 0 ? pid : null;
  } catch (error) {
    if (hasCode(error, "ENOENT")) return null;
    throw error;
  }
}

function isAlive(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: there is one, of another user.
    return !hasCode(error, "ESRCH");
  }
}
