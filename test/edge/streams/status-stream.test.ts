import { describe, expect, test, vi } from "vitest";
import type { StatusEntry } from "../../../src/domain/backends/status.ts";
import { ok } from "../../../src/domain/result.ts";
import { withKeepAlive } from "../../../src/edge/streams/keep-alive.ts";
import { SharedStatuses } from "../../../src/edge/streams/shared-statuses.ts";
import { type StatusRenderer, statusEvents } from "../../../src/edge/streams/status-stream.ts";
import { followerPing, followerPong } from "../../../src/objects/followers.ts";
import { toPublicState } from "../../../src/protocol/backend-state.ts";

function sockets() {
  const { 0: ours, 1: shards } = new WebSocketPair();
  shards.accept();
  const sendEntry = (entry: StatusEntry) => shards.send(JSON.stringify(entry));
  const closed = new Promise<number>((resolve) => {
    shards.addEventListener("close", ({ code }) => resolve(code));
  });
  return { ours, shards, sendEntry, closed };
}

/** The stream of somebody who follows a backend alone. */
async function followSocket(socket: WebSocket, render: StatusRenderer, release?: () => void) {
  const followed = await new SharedStatuses().follow("b", async () => ok(socket));
  if (!followed.ok) throw new Error(followed.error.message);
  return statusEvents(followed.value, render, release);
}

async function chunks(stream: ReadableStream<Uint8Array>): Promise<string[]> {
  const read: string[] = [];
  for await (const chunk of stream) read.push(new TextDecoder().decode(chunk));
  return read;
}

const soon = { timeout: 5_000, interval: 1 };
const time = Date.UTC(2026, 0, 2, 3, 4, 5);
const iso = "2026-01-02T03:04:05.000Z";

describe("a status stream", () => {
  test("writes each event whole, in one chunk, and ends after terminated", async () => {
    const { ours, sendEntry, closed } = sockets();
    sendEntry({ status: "scheduled", time });
    const stream = await followSocket(ours, toPublicState);
    sendEntry({ status: "ready", time });
    sendEntry({ status: "terminated", time, termination_reason: "external", exit_code: 1 });
    expect(await chunks(stream)).toEqual([
      `data: {"status":"scheduled","time":"${iso}"}\n\n`,
      `data: {"status":"ready","time":"${iso}"}\n\n`,
      `data: {"status":"terminated","time":"${iso}","termination_reason":"external","exit_error":true}\n\n`,
    ]);
    expect(await closed).toBe(1000);
  });

  test("leaves out what its renderer has nothing new to say about", async () => {
    const { ours, sendEntry } = sockets();
    sendEntry({ status: "scheduled", time });
    const stream = await followSocket(ours, ({ status }) => (status === "loading" ? null : status));
    sendEntry({ status: "loading", time });
    sendEntry({ status: "terminated", time });
    expect(await chunks(stream)).toEqual(["data: scheduled\n\n", "data: terminated\n\n"]);
  });

  test("ends when the shard's socket closes, so that clients reconnect", async () => {
    const { ours, shards, sendEntry } = sockets();
    sendEntry({ status: "loading", time });
    const stream = await followSocket(ours, ({ status }) => status);
    shards.close(1012, "restarting");
    expect(await chunks(stream)).toEqual(["data: loading\n\n"]);
  });

  test("closes the shard's socket when the client leaves", async () => {
    const { ours, sendEntry, closed } = sockets();
    sendEntry({ status: "loading", time });
    const released = vi.fn();
    const reader = (await followSocket(ours, ({ status }) => status, released)).getReader();
    await reader.read();
    expect(released).not.toHaveBeenCalled();
    await reader.cancel();
    expect(await closed).toBe(1000);
    expect(released).toHaveBeenCalledOnce();
  });

  test("ends when the shard does not answer, and stays while it does", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    try {
      const { ours, shards, sendEntry, closed } = sockets();
      sendEntry({ status: "scheduled", time });
      const stream = await followSocket(ours, ({ status }) => status);
      const received: string[] = [];
      ours.addEventListener("message", ({ data }) => void received.push(String(data)));
      const pinged = vi.fn();
      shards.addEventListener("message", ({ data }) => pinged(data));
      for (const turn of [1, 2, 3]) {
        vi.advanceTimersByTime(15_000);
        await vi.waitFor(() => expect(pinged.mock.calls).toEqual(Array(turn).fill([followerPing])), soon);
        shards.send(followerPong);
        await vi.waitFor(() => expect(received).toEqual(Array(turn).fill(followerPong)), soon);
      }
      vi.advanceTimersByTime(15_000);
      sendEntry({ status: "loading", time });
      await vi.waitFor(() => expect(received).toHaveLength(4), soon);
      vi.advanceTimersByTime(15_000);
      expect(await closed).toBe(1000);
      expect(await chunks(stream)).toEqual(["data: scheduled\n\n", "data: loading\n\n"]);
    } finally {
      vi.useRealTimers();
    }
  });

  test("whose client takes nothing any more, nor closes it, is left after some minutes", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    try {
      const { ours, shards, sendEntry, closed } = sockets();
      shards.addEventListener("message", () => shards.send(followerPong));
      const answered = vi.fn();
      ours.addEventListener("message", ({ data }) => data === followerPong && answered());
      sendEntry({ status: "loading", time });
      const released = vi.fn();
      const leftBehind = withKeepAlive(await followSocket(ours, ({ status }) => status, released));
      let turns = 0;
      while (released.mock.calls.length === 0) {
        turns += 1;
        vi.advanceTimersByTime(15_000);
        await vi.waitFor(
          () => expect(answered.mock.calls.length + released.mock.calls.length).toBe(turns),
          soon,
        );
      }
      expect([20, 21, 22]).toContain(turns);
      expect(released).toHaveBeenCalledOnce();
      expect(await closed).toBe(1000);
      expect(await chunks(leftBehind)).toHaveLength(1);
    } finally {
      vi.useRealTimers();
    }
  });
});
