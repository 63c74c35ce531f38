import { createServer } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { untilAnswers } from "../../../src/agent/backends/readiness.ts";
import { agentClock } from "../../../src/agent/clock.ts";

const neverMs = 1_000_000_000;

/** Breaks off so many connections before it answers HTTP, as an engine's proxy does before its container listens. */
async function lateServer(brokenOff: number): Promise<{ port: number; connections(): number }> {
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    socket.on("error", () => undefined);
    if (connections <= brokenOff) socket.destroy();
    else socket.end("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return { port: address.port, connections: () => connections };
}

test("a backend that answers soon is not waited for as long as one that takes its time", async () => {
  const { port, connections } = await lateServer(5);
  const clock = { ...agentClock, readyPollFirstMs: 1, readyPollEveryMs: neverMs };
  expect(await untilAnswers(port, clock, new AbortController().signal)).toBe(true);
  expect(connections()).toBe(6);
});

test("a backend that takes its time is looked at again and again at the same pace", async () => {
  const { port, connections } = await lateServer(20);
  const clock = { ...agentClock, readyPollFirstMs: neverMs, readyPollEveryMs: 1 };
  expect(await untilAnswers(port, clock, new AbortController().signal)).toBe(true);
  expect(connections()).toBe(21);
});

test("the wait for a backend that never answers ends when it is given up", async () => {
  const { port } = await lateServer(Number.POSITIVE_INFINITY);
  const giveUp = new AbortController();
  const clock = { ...agentClock, readyPollFirstMs: neverMs, readyPollEveryMs: neverMs };
  const answered = untilAnswers(port, clock, giveUp.signal);
  giveUp.abort();
  expect(await answered).toBe(false);
});
