import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as pause } from "node:timers/promises";

const retryEveryMs = 20;

/**
 * Locks a file, made where there is none, until it is released or this process has ended in whatever way: the kernel
 * holds the lock, so that neither a process id that is used again nor a process that nobody has waited for counts as
 * its holder. It is SQLite's, since Node has none of its own.
 * @returns what releases it, or null where another process holds it
 */
export function lockFile(path: string): (() => void) | null {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec("BEGIN EXCLUSIVE");
    return () => database.close();
  } catch (error) {
    database.close();
    if (isBusy(error)) return null;
    throw error;
  }
}

/** Locks a file once its holder has released it. Rejects when `signal` is aborted first. */
export async function lockFileWhenFree(path: string, signal: AbortSignal): Promise<() => void> {
  for (;;) {
    const release = lockFile(path);
    if (release) return release;
    await pause(retryEveryMs, undefined, { signal });
  }
}

/**
 * Locks a state directory for this process.
 * @returns what releases it. Rejects where a live process holds it, and names that.
 */
export async function lockStateDir(stateDir: string): Promise<() => Promise<void>> {
  const path = join(stateDir, "pid");
  const release = lockFile(join(stateDir, "lock"));
  if (!release) {
    const holder = (await readFile(path, "utf8").catch(() => "")).trim();
    throw new Error(
      `${stateDir} is in use by process ${holder || "(unknown)"}: stop it first, or name another directory with --state-dir`,
    );
  }
  try {
    await writeFile(path, `${process.pid}\n`, { mode: 0o600 });
  } catch (error) {
    release();
    throw error;
  }
  return async () => {
    await rm(path, { force: true });
    release();
  };
}

/** The file whose lock the Worker's process holds for as long as it may use the storage and the port. */
export function workerLockPath(stateDir: string): string {
  return join(stateDir, "worker.lock");
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && "errcode" in error && error.errcode === sqliteBusy;
}

/** https://sqlite.org/rescode.html#busy */
const sqliteBusy = 5;
