import { closeSync, constants, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { hasCode } from "../log.ts";
import type { KeptLease } from "./lease.ts";

/*
 * The kept lease: one line in the state directory that the agent writes, and that the guard, the shells of processes and
 * the next start of the agent read. They may be of another version than the agent: fields are only ever appended.
 *
 *     1 <boot id> <sent> <until> <until>
 *
 * Times are hundredths of a second since that boot, as in the first number of /proc/uptime. The line has always the same
 * length and is replaced where it is, which takes no room on a full disk. It counts only where its last two fields are
 * equal: one that is read while it is written does not. It need not outlive a crash of the machine, which is another boot.
 */
const format = "1";
const lineLength = 127;
const unknownBoot = "-";
const linePattern = /^1 (\S+) (\d+) (\d+) (\d+)(?: .*)?\n$/;

/** Where the lease is kept in an agent's state directory. */
export function leaseFileIn(stateDir: string): string {
  return join(stateDir, "lease");
}

/** Replaces the kept lease. Throws where it cannot be written. */
export function writeLease(path: string, { boot, sentAtMs, forMs }: KeptLease): void {
  const until = Math.floor((sentAtMs + forMs) / 10);
  const fields = [format, boot ?? unknownBoot, Math.floor(sentAtMs / 10), until, until];
  const file = openSync(path, constants.O_WRONLY | constants.O_CREAT, 0o600);
  try {
    writeSync(file, `${fields.join(" ").padEnd(lineLength)}\n`, 0);
  } finally {
    closeSync(file);
  }
}

/** Null where no lease was kept, or nothing that can be understood. */
export function readLease(path: string): KeptLease | null {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (hasCode(error, "ENOENT")) return null;
    throw error;
  }
  const [, boot, sent, until, again] = linePattern.exec(text) ?? [];
  if (boot === undefined || until !== again) return null;
  const sentAtMs = Number(sent) * 10;
  return { boot: boot === unknownBoot ? null : boot, sentAtMs, forMs: Number(until) * 10 - sentAtMs };
}
