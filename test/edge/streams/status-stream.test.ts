import { describe, expect, test, vi } from "vitest";
import type { StatusEntry } from "../../../src/domain/backends/status.ts";
import { withKeepAlive } from "../../../src/edge/streams/keep-alive.ts";
import { followSocket } from "../../../src/edge/streams/status-stream.ts";
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

async function chunks(stream: ReadableStream<Uint8Array>): Promise<string[]> {
  const read: string[] = [];
  for await (const chunk of stream) read.push(new TextDecoder().decode(chunk));
  return read;
}

const anHourMs = 3_600_000;
const soon = { timeout: 5_000, interval: 1 };
const time = Date.UTC(2026, 0, 2, 3, 4, 5);
const iso = "2026-01-02T03:04:05.000Z";

describe("a status stream", () => {
  test("writes each event whole, in one chunk, and ends after terminated", async () => {
    const { ours, sendEntry, closed } = sockets();
    const stream = followSocket(ours, toPublicState);
    sendEntry({ status: "scheduled", time });
    sendEntry({ status: "ready", time });
    sendEntry({ status: "terminated", time, termination_reason: "external", exit_code: 1 });
    expect(await chunks(stream)).toEqual([
      `data: {"status":"scheduled","time":"${iso}"}\n\n`,
      `data: {"status":"ready","time":"${iso}"}\n\n`,
      `data: {"status":"terminated","time":"${iso}","termination_reason":"external","exit_error":true}\n\n`,
    ]);
    expect(await closed).toBe(1000);
  });

  test("leaves out what its teller has nothing new to say about", async () => {
    const { ours, sendEntry } = sockets();
    const stream = followSocket(ours, ({ status }) => (status === "loading" ? null : status));
    sendEntry({ status: "scheduled", time });
    sendEntry({ status: "loading", time });
    sendEntry({ status: "terminated", time });
    expect(await chunks(stream)).toEqual(["data: scheduled\n\n", "data: terminated\n\n"]);
  });

  test("ends when the shard's socket closes, so that clients reconnect", async () => {
    const { ours, shards, sendEntry } = sockets();
    const stream = followSocket(ours, ({ status }) => status);
    sendEntry({ status: "loading", time });
    shards.close(1012, "restarting");
    expect(await chunks(stream)).toEqual(["data: loading\n\n"]);
  });

  test("closes the shard's socket when the client leaves", async () => {
    const { ours, sendEntry, closed } = sockets();
    const reader = followSocket(ours, ({ status }) => status).getReader();
    sendEntry({ status: "loading", time });
    await reader.read();
    await reader.cancel();
    expect(await closed).toBe(1000);
  });

  test("ends when the shard does not answer, and stays while it does", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    try {
      const { ours, shards, sendEntry, closed } = sockets();
      const stream = followSocket(ours, ({ status }) => status);
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
      expect(await chunks(stream)).toEqual(["data: loading\n\n"]);
    } finally {
      vi.useRealTimers();
    }
  });

  test("whose client takes nothing any more, nor closes it, is left after some minutes", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    try {
      const { ours, sendEntry, closed } = sockets();
      const leftBehind = withKeepAlive(followSocket(ours, ({ status }) => status, anHourMs));
      sendEntry({ status: "loading", time });
      const isClosed = vi.fn();
      void closed.then(isClosed);
      const turn = () => {
        vi.advanceTimersByTime(15_000);
        expect(isClosed).toHaveBeenCalledWith(1000);
      };
      await vi.waitFor(turn, soon);
      expect(await chunks(leftBehind)).toHaveLength(1);
    } finally {
      vi.useRealTimers();
    }
  });
});
