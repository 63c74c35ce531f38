import type { StatusEntry } from "../../domain/backends/status.ts";

/** What is left of a limit that counts from a backend's spawn. In milliseconds, none where it has passed. */
export function leftSinceSpawn(history: readonly StatusEntry[], seconds: number): number {
  const now = Date.now();
  const since = history.find((entry) => entry.status === "scheduled")?.time ?? now;
  const limitMs = seconds * 1000;
  return Math.min(Math.max(since + limitMs - now, 0), limitMs);
}
