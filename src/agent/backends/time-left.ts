import type { BackendStatus, StatusEntry } from "../../domain/backends/status.ts";

/** What is left of a limit that counts from when a status was entered. In milliseconds, none where it has passed. */
export function leftSince(history: readonly StatusEntry[], status: BackendStatus, seconds: number): number {
  const now = Date.now();
  const since = history.find((entry) => entry.status === status)?.time ?? now;
  const limitMs = seconds * 1000;
  return Math.min(Math.max(since + limitMs - now, 0), limitMs);
}
