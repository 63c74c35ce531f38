import { createServer } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { untilAnswers } from "../../../src/agent/backends/readiness.ts";
import { agentClock } from "../../../src/agent/clock.ts";
import type { Address } from "../../../src/agent/runtimes/runtime.ts";

const neverMs = 1_000_000_000;

/** Breaks off so many connections before it answers HTTP, as an engine's proxy does before its container listens. */
async function lateServer(
  brokenOff: number,
  host = "127.0.0.1",
): Promise<{ address: Address; connections(): number }> {
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    socket.on("error", () => undefined);
    if (connections <= brokenOff) socket.destroy();
    else socket.end("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  onTestFinished(() => void server.close());
  const listening = server.address();
  if (listening === null || typeof listening === "string") throw new Error("the server has no port");
  return { address: { host, port: listening.port }, connections: () => connections };
}

test("a backend that answers soon is not waited for as long as one that takes its time", async () => {
  const { address, connections } = await lateServer(5);
  const clock = { ...agentClock, readyPollFirstMs: 1, readyPollEveryMs: neverMs };
  expect(await untilAnswers(address, clock, new AbortController().signal)).toBe(true);
  expect(connections()).toBe(6);
});

test("a backend that takes its time is looked at again and again at the same pace", async () => {
  const { address, connections } = await lateServer(20);
  const clock = { ...agentClock, readyPollFirstMs: neverMs, readyPollEveryMs: 1 };
  expect(await untilAnswers(address, clock, new AbortController().signal)).toBe(true);
  expect(connections()).toBe(21);
});

test("the wait for a backend that never answers ends when it is given up", async () => {
  const { address } = await lateServer(Number.POSITIVE_INFINITY);
  const giveUp = new AbortController();
  const clock = { ...agentClock, readyPollFirstMs: neverMs, readyPollEveryMs: neverMs };
  const answered = untilAnswers(address, clock, giveUp.signal);
  giveUp.abort();
  expect(await answered).toBe(false);
});

test.skipIf(process.platform !== "linux")("a backend is looked for at its own address", async () => {
  const { address, connections } = await lateServer(0, "127.0.0.2");
  expect(await untilAnswers(address, agentClock, new AbortController().signal)).toBe(true);
  expect(connections()).toBe(1);
});
