import { followerPing, followerPong } from "../../objects/followers.ts";
import type { Step } from "./pulled-stream.ts";

/** A dead socket is detected after one to two of these intervals. */
const pingEveryMs = 15_000;

/** How the messages of an object's socket are read, and how many may be queued. */
export interface FollowOptions<T> {
  read(message: string): Step<T>;
  everyMs?: number;
  /** With so many items unread, the stream ends after them, and its reader has to follow again. */
  mostUnread?: number;
}

/**
 * Opens a WebSocket that follows an object, with which the object may hibernate.
 * @param path begins with a slash; with its query
 * @returns without a socket the status that says why: 404 for what does not exist, 503 for too many followers
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
 * The messages of a socket, as `read` parses them. Ends with the socket, after the last step, and when the object has
 * not answered a ping before the next is due. The one stream that is pushed: messages arrive whether or not it is read.
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
