import type { StatusEntry } from "../../domain/backends/status.ts";
import { type Followers, tellSocket } from "../followers.ts";

/** Tells all followers of a backend of new entries, and closes them after `terminated`. */
export function tellFollowers(
  followers: Followers,
  backendId: string,
  entries: readonly StatusEntry[],
): void {
  followers.tell(backendId, entries, lastWords(entries));
}

/** Sends entries to one follower, and closes it after `terminated`. */
export function tellEntries(socket: WebSocket, entries: readonly StatusEntry[]): void {
  tellSocket(socket, entries, lastWords(entries));
}

function lastWords(entries: readonly StatusEntry[]): string | undefined {
  return entries.at(-1)?.status === "terminated" ? "terminated" : undefined;
}
