import type { StatusEntry } from "../../domain/backends/status.ts";
import { fail, ok, type Result } from "../../domain/result.ts";
import type { Env } from "../../objects/env.ts";
import { backendsStub } from "../../objects/stubs.ts";
import { sseEvent, sseHeaders } from "../../protocol/sse.ts";
import { statusEntry } from "../../protocol/status-entry.ts";
import { type BackendLocation, backendNotFound } from "../locate-backend.ts";
import { followMessages, openFollowing } from "./follow.ts";
import { withKeepAlive } from "./keep-alive.ts";
import { pulledStream } from "./pulled-stream.ts";

/** Renders an entry for a stream's client, or null to skip it. Stateful: each stream has one of its own. */
export type StatusRenderer = (entry: StatusEntry) => unknown;

/**
 * Streams a backend's statuses as server-sent events until it has terminated. The stream is held here, in the
 * Worker, and follows the shard over a WebSocket, with which the object may hibernate. Where that breaks off the
 * stream ends, and the client reconnects.
 */
export async function streamStatuses(env: Env, backend: BackendLocation, render: StatusRenderer) {
  const socket = await openFollow(env, backend);
  if (!socket.ok) return socket;
  return new Response(withKeepAlive(followSocket(socket.value, render)), { headers: sseHeaders });
}

/** Emits a chunk for each new status of a backend; ends as `followSocket` does, and where it cannot be followed. */
export function statusChanges(env: Env, backend: BackendLocation): ReadableStream<Uint8Array> {
  let opening: Promise<ReadableStreamDefaultReader<Uint8Array> | null> | undefined;
  const open = async () => {
    const socket = await openFollow(env, backend);
    return socket.ok ? followSocket(socket.value, ({ status }) => status).getReader() : null;
  };
  return pulledStream({
    async next() {
      opening ??= open();
      const change = await (await opening)?.read();
      return change?.value ? { items: [change.value] } : { items: [], isLast: true };
    },
    release: async (reason) => (await opening)?.cancel(reason),
  });
}

/** A socket that carries a backend's statuses. `unavailable` where its shard takes no more followers. */
async function openFollow(env: Env, { id, account, service }: BackendLocation): Promise<Result<WebSocket>> {
  const query = new URLSearchParams({ account, service });
  const shard = backendsStub(env, account, service, id);
  const following = await openFollowing(shard, `/follow/${id}?${query}`);
  if (following.socket) return ok(following.socket);
  if (following.status === 404) return backendNotFound(id);
  return fail("unavailable", "the statuses cannot be followed now; try again", { retryAfterSeconds: 1 });
}

/**
 * The server-sent events of a socket's entries, each in one chunk. Ends as `followMessages` does, and after
 * `terminated`. A history has each status at most once, which bounds what a client that does not read leaves queued.
 */
export function followSocket(
  socket: WebSocket,
  render: StatusRenderer,
  everyMs?: number,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return followMessages(socket, {
    ...(everyMs === undefined ? {} : { everyMs }),
    read(message) {
      const entry = statusEntry.safeParse(JSON.parse(message));
      // During a rollout the shard may run another version than the Worker.
      if (!entry.success) return { items: [], isLast: true };
      const rendered = render(entry.data);
      return {
        items: rendered === null ? [] : [encoder.encode(sseEvent(rendered))],
        isLast: entry.data.status === "terminated",
      };
    },
  });
}
