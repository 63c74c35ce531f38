import type { StatusEntry } from "../../../src/domain/backends/status.ts";
import type { Hello } from "./service.ts";

export interface Follower {
  /** What it has received so far, oldest first. */
  entries: StatusEntry[];
  /** What was answered to what it sent, oldest first. */
  answers: string[];
  send(question: string): void;
  /** The code that the shard closed with, null while it is open. */
  closed: number | null;
}

/** Follows an object from a test that has no Worker in between: what it has received so far, oldest first. */
export async function followObject<T>(stub: DurableObjectStub, path: string): Promise<T[]> {
  const response = await stub.fetch(`http://object.test${path}`, { headers: { upgrade: "websocket" } });
  const socket = response.webSocket;
  if (!socket) throw new Error(`not followed: ${response.status}`);
  const received: T[] = [];
  socket.addEventListener("message", ({ data }) => void received.push(JSON.parse(String(data))));
  socket.accept();
  return received;
}

/** Follows a backend over its shard's WebSocket, from a test that has no Worker in between. */
export async function follow(hello: Hello, backendId: string): Promise<Follower | { status: number }> {
  const query = new URLSearchParams({ account: hello.account, service: "hello" });
  const response = await hello
    .shard(backendId)
    .fetch(`http://shard.test/follow/${backendId}?${query}`, { headers: { upgrade: "websocket" } });
  const socket = response.webSocket;
  if (!socket) return { status: response.status };
  const follower: Follower = {
    entries: [],
    answers: [],
    closed: null,
    send: (question) => socket.send(question),
  };
  socket.addEventListener("message", ({ data }) => {
    const text = String(data);
    if (text.startsWith("{")) follower.entries.push(JSON.parse(text));
    else follower.answers.push(text);
  });
  socket.addEventListener("close", ({ code }) => {
    follower.closed = code;
  });
  socket.accept();
  return follower;
}
