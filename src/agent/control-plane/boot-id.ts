import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** Names the boot of the machine that this process runs in; null where that cannot be found out. */
export function bootId(): string | null {
  try {
    const named =
      process.platform === "darwin"
        ? execFileSync("sysctl", ["-n", "kern.bootsessionuuid"], { encoding: "utf8" })
        : readFileSync("/proc/sys/kernel/random/boot_id", "utf8");
    return named.trim() || null;
  } catch {
    return null;
  }
}
