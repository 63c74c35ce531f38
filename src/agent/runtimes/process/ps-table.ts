import { execFile } from "node:child_process";
import { uptime } from "node:os";
import { promisify } from "node:util";
import type { GroupUsage, ProcessTable } from "./process-table.ts";

/** Start times are whole seconds, and the time since the machine's start is rounded as well. */
const roundingMs = 2_000;

/** The processes of a machine without /proc, such as a Mac, as POSIX's `ps` lists them. */
export function psTable(): ProcessTable {
  return {
    async identify(pid) {
      const [line = ""] = await ps("-o", "stat=", "-o", "lstart=", "-p", String(pid));
      const [stat = "", ...startedAt] = line.trim().split(/\s+/);
      return stat === "" || stat.startsWith("Z") ? null : startedAt.join(" ");
    },

    isRunning: ({ pid }) => exists(pid),

    isOwnGroup({ pid, identity }) {
      const machineStartedAt = Date.now() - uptime() * 1000;
      return !exists(pid) && Date.parse(`${identity} UTC`) > machineStartedAt - roundingMs;
    },

    async usageOf(group) {
      let usage: GroupUsage | null = null;
      for (const line of await ps("-A", "-o", "pgid=", "-o", "stat=", "-o", "rss=", "-o", "time=")) {
        const [pgid, stat = "", kibibytes = "", time = ""] = line.trim().split(/\s+/);
        if (Number(pgid) !== group || stat.startsWith("Z")) continue;
        usage ??= { cpuMs: 0, memoryBytes: 0 };
        usage.cpuMs += cpuMs(time);
        usage.memoryBytes += Number(kibibytes) * 1024;
      }
      return usage;
    },
  };
}

/** The lines that it prints; none where it finds no process, for which it fails with 1. */
async function ps(...args: string[]): Promise<string[]> {
  // Start times must read the same in every locale and time zone.
  const env = { PATH: process.env.PATH ?? "/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" };
  try {
    const { stdout } = await promisify(execFile)("ps", args, { env, maxBuffer: 16 * 1024 * 1024 });
    return stdout.split("\n");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === 1) return [];
    throw error;
  }
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** `[[days-]hours:]minutes:seconds[.hundredths]`, in which systems differ. */
export function cpuMs(time: string): number {
  const [rest = "", days = "0"] = time.split("-").toReversed();
  const seconds = rest.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
  return Math.round((Number(days) * 86_400 + seconds) * 1000);
}
