import type { StatusEntry } from "../../domain/backends/status.ts";
import { type Followers, sendToSocket } from "../followers.ts";

/** Sends new entries to all followers of a backend, and closes them after `terminated`. */
export function sendEntries(followers: Followers, backendId: string, entries: readonly StatusEntry[]): void {
  followers.send(backendId, entries, closeReason(entries));
}

/** Sends a history to one follower, and closes it after `terminated`. */
export function sendHistory(socket: WebSocket, entries: readonly StatusEntry[]): void {
  sendToSocket(socket, entries, closeReason(entries));
}

function closeReason(entries: readonly StatusEntry[]): string | undefined {
  return entries.at(-1)?.status === "terminated" ? "terminated" : undefined;
}
