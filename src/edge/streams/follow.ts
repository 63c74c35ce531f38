import { followerPing, followerPong } from "../../objects/followers.ts";
import type { Step } from "./pulled-stream.ts";

/** So that a stream whose socket leads nowhere any more does not look alive for longer than this or twice this. */
const pingEveryMs = 15_000;

/** How the messages of an object's socket are read, and how many may wait. */
export interface FollowOptions<T> {
  read(message: string): Step<T>;
  everyMs?: number;
  /** When more than so many items wait to be read, the stream ends after them, and its reader follows anew. */
  mostUnread?: number;
}

/**
 * Opens a socket that follows an object, beneath which the object may sleep.
 * @param path begins with a slash; with its query
 * @returns null and the status where it cannot be followed: 404 there is no such thing, 503 there is no place
 */
export async function openFollowing(
  stub: Pick<DurableObjectStub, "fetch">,
  path: string,
): Promise<{ socket: WebSocket } | { socket: null; status: number }> {
  const answer = await stub.fetch(`https://object${path}`, { headers: { upgrade: "websocket" } });
  if (answer.webSocket) return { socket: answer.webSocket };
  await answer.body?.cancel();
  return { socket: null, status: answer.status };
}

/**
 * What comes over a socket. Ends with the socket, after the last step, and when the object has not answered a ping
 * before the next is due. The one stream that is pushed: a message comes whether or not somebody reads.
 */
export function followMessages<T>(
  socket: WebSocket,
  { read, everyMs = pingEveryMs, mostUnread = Number.POSITIVE_INFINITY }: FollowOptions<T>,
): ReadableStream<T> {
  let pinging: ReturnType<typeof setInterval>;
  let isAnswered = true;
  let ended = false;
  const leave = () => {
    ended = true;
    clearInterval(pinging);
    socket.close(1000);
  };
  return new ReadableStream<T>({
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
        const { items, isLast = false } = read(data);
        for (const item of items) controller.enqueue(item);
        if (isLast || -(controller.desiredSize ?? 0) >= mostUnread) end();
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
