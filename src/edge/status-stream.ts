import type { StatusEntry } from "../domain/backend-status.ts";
import { fail } from "../domain/result.ts";
import { followerPing, followerPong } from "../objects/backends/followers.ts";
import type { Env } from "../objects/env.ts";
import { backendsStub } from "../objects/stubs.ts";
import { sseEvent, sseHeaders } from "../protocol/sse.ts";
import { statusEntry } from "../protocol/status-entry.ts";
import { withKeepAlive } from "./keep-alive.ts";
import { type BackendPlace, backendNotFound } from "./locate-backend.ts";

/** An entry as the stream tells it, or null where it tells nothing new. Made anew for each stream. */
export type StatusTeller = (entry: StatusEntry) => unknown;

/**
 * Streams a backend's statuses as server-sent events until it has terminated. The stream is held here, in the
 * Worker, and follows the shard over a WebSocket, beneath which the object may sleep. Where that breaks off the
 * stream ends, and the client reconnects.
 */
export async function streamStatuses(env: Env, { id, account, service }: BackendPlace, tell: StatusTeller) {
  const url = new URL(`https://backends/follow/${id}`);
  url.search = new URLSearchParams({ account, service }).toString();
  const answer = await backendsStub(env, account, service, id).fetch(url, {
    headers: { upgrade: "websocket" },
  });
  if (answer.webSocket) {
    return new Response(withKeepAlive(followSocket(answer.webSocket, tell)), { headers: sseHeaders });
  }
  await answer.body?.cancel();
  if (answer.status === 404) return backendNotFound(id);
  return fail("unavailable", "the statuses cannot be followed now; try again", { retryAfterSeconds: 1 });
}

/** So that a stream whose socket leads nowhere any more does not look alive for longer than this or twice this. */
const pingEveryMs = 15_000;

/**
 * The server-sent events of a socket's entries, each in one chunk. Ends with the socket, after `terminated`, and when
 * the shard has not answered a ping before the next is due. As a history has each status at most once, a client that
 * reads nothing makes nothing grow.
 */
export function followSocket(
  socket: WebSocket,
  tell: StatusTeller,
  everyMs: number = pingEveryMs,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let pinging: ReturnType<typeof setInterval>;
  let isAnswered = true;
  let ended = false;
  const leave = () => {
    ended = true;
    clearInterval(pinging);
    socket.close(1000);
  };
  return new ReadableStream<Uint8Array>({
    start(controller) {
      const end = () => {
        if (ended) return;
        leave();
        controller.close();
      };
      socket.addEventListener("message", ({ data }) => {
        if (ended || typeof data !== "string") return;
        if (data === followerPong) {
          isAnswered = true;
          return;
        }
        const entry = statusEntry.safeParse(JSON.parse(data));
        // While a new version is rolled out, the shard may be of another one than the Worker.
        if (!entry.success) return end();
        const told = tell(entry.data);
        if (told !== null) controller.enqueue(encoder.encode(sseEvent(told)));
        if (entry.data.status === "terminated") end();
      });
      socket.addEventListener("close", end);
      socket.addEventListener("error", end);
      socket.accept();
      pinging = setInterval(() => {
        if (!isAnswered) return end();
        isAnswered = false;
        socket.send(followerPing);
      }, everyMs);
    },
    cancel: leave,
  });
}
