import { readFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { hasCode } from "../../log.ts";
import type { GroupUsage, ProcessTable } from "./process-table.ts";

/** proc_pid_stat(5) counts processor time in units of USER_HZ, which is 100 a second wherever Node runs. */
const tickMs = 10;

interface Stat {
  isZombie: boolean;
  group: number;
  cpuMs: number;
  /** In ticks since the machine started. */
  startedAt: string;
}

/** The processes of a Linux machine. */
export function procTable(): ProcessTable {
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  const identityOf = (stat: Stat) => `${boot} ${stat.startedAt}`;

  return {
    async identify(pid) {
      const stat = statOf(pid);
      return stat && !stat.isZombie ? identityOf(stat) : null;
    },

    isRunning({ pid, identity }) {
      const stat = statOf(pid);
      return stat !== null && !stat.isZombie && identityOf(stat) === identity;
    },

    isOwnGroup({ pid, identity }) {
      const stat = statOf(pid);
      return stat === null ? identity.startsWith(`${boot} `) : identityOf(stat) === identity;
    },

    async usageOf(group) {
      const ids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
      let usage: GroupUsage | null = null;
      for (const pid of ids) {
        const stat = parseStat(await textOf(`/proc/${pid}/stat`));
        if (stat?.group !== group || stat.isZombie) continue;
        const memoryBytes = residentBytes(await textOf(`/proc/${pid}/status`));
        usage ??= { cpuMs: 0, memoryBytes: 0 };
        usage.cpuMs += stat.cpuMs;
        usage.memoryBytes += memoryBytes;
      }
      return usage;
    },
  };
}

/**
 * Null where there is no such process; throws where that is unknown, so that the process is not taken for ended. Sync,
 * since it takes microseconds: /proc waits for no disk.
 */
function statOf(pid: number): Stat | null {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch (error) {
    if (hasCode(error, "ENOENT") || hasCode(error, "ESRCH")) return null;
    throw error;
  }
}

/** A process as `/proc/<pid>/stat` has it; null where there is none. */
export function parseStat(text: string): Stat | null {
  // The second field is the program's name in parentheses, which may hold any character.
  const [state, _parent, group, ...later] = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const startedAt = later[16];
  if (state === undefined || group === undefined || startedAt === undefined) return null;
  // Its own time and that of the children that it has waited for, so that nothing is lost when a child ends.
  const ticks = later.slice(8, 12).reduce((sum, field) => sum + Number(field), 0);
  // A process whose first thread has ended holds its files, and what it listens on, until its last one has.
  const isZombie = /[ZX]/.test(state) && Number(later[14]) <= 1;
  return { isZombie, group: Number(group), cpuMs: ticks * tickMs, startedAt };
}

function residentBytes(status: string): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}

async function textOf(path: string): Promise<string> {
  // A process may end between being listed and being read.
  return await readFile(path, "utf8").catch(() => "");
}
