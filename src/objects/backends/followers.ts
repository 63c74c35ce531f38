import { type StatusEntry, statusRank } from "../../domain/backends/status.ts";
import { type Followers, sendToSocket } from "../followers.ts";

/*
 * How far each follower is is kept with its socket, which outlives an eviction: what an object learns that awakes was sent in part, and
 * nothing here says how much of it.
 */

/** Sends all followers of a backend what each has not been sent of a history, and closes them after `terminated`. */
export function sendUnsent(followers: Followers, backendId: string, history: readonly StatusEntry[]): void {
  followers.send(backendId, (socket) => takeUnsent(socket, history), closeReason(history));
}

/** Sends a history to one follower, and closes it after `terminated`. */
export function sendHistory(socket: WebSocket, history: readonly StatusEntry[]): void {
  sendToSocket(socket, takeUnsent(socket, history), closeReason(history));
}

/** What a follower has not been sent, which counts as sent from now on. */
function takeUnsent(socket: WebSocket, history: readonly StatusEntry[]): readonly StatusEntry[] {
  const attached: unknown = socket.deserializeAttachment();
  const sent = typeof attached === "number" ? attached : -1;
  const unsent = history.filter(({ status }) => statusRank(status) > sent);
  const last = unsent.at(-1);
  if (last) socket.serializeAttachment(statusRank(last.status));
  return unsent;
}

function closeReason(entries: readonly StatusEntry[]): string | undefined {
  return entries.at(-1)?.status === "terminated" ? "terminated" : undefined;
}
