import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { WebSocketServer } from "ws";
import { tcpKeepAliveMs } from "../../../src/agent/clock.ts";
import { listenOn, startConnections } from "../support/connections.ts";
import { eventually } from "../support/eventually.ts";

/** In which /proc/net/tcp counts. */
const ticksPerSecond = 100;
const keepAliveTimer = "02";

/** How long until the system asks whether the other end of a connection is there, in ms, by its two ports; NaN for never. */
async function keepAliveIn(localPort: number, remotePort: number): Promise<number> {
  const hex = (port: number) => port.toString(16).toUpperCase().padStart(4, "0");
  for (const line of (await readFile("/proc/net/tcp", "utf8")).split("\n")) {
    const [, local = "", remote = "", , , timer = ""] = line.trim().split(/\s+/);
    if (!local.endsWith(`:${hex(localPort)}`) || !remote.endsWith(`:${hex(remotePort)}`)) continue;
    const [kind, ticks = ""] = timer.split(":");
    return kind === keepAliveTimer ? (Number.parseInt(ticks, 16) / ticksPerSecond) * 1000 : Number.NaN;
  }
  return Number.NaN;
}

const upgrade =
  "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
  `Sec-WebSocket-Key: ${Buffer.alloc(16).toString("base64")}\r\n`;

// Only Linux shows its timers.
describe.runIf(process.platform === "linux")("the system asks after 30 s of silence", () => {
  test.for([
    ["a request without an end", ""],
    ["a WebSocket", upgrade],
  ])("at both ends of %s", async ([, headers]) => {
    const held: { upstreamPort: number }[] = [];
    const server = createServer((request, response) => {
      response.write("begun");
      held.push({ upstreamPort: request.socket.remotePort ?? 0 });
    });
    new WebSocketServer({ server }).on("connection", (_socket, request) => {
      held.push({ upstreamPort: request.socket.remotePort ?? 0 });
    });
    onTestFinished(() => server.closeAllConnections());
    const backendPort = await listenOn(server);
    const connections = await startConnections();
    connections.serve(backendPort);
    const client = connect(connections.port, "127.0.0.1");
    onTestFinished(() => void client.destroy());
    client.on("error", () => undefined).resume();
    client.write(`GET ${await connections.path()}/ HTTP/1.1\r\nHost: x\r\n${headers}\r\n`);
    await eventually(() => held.length).toBe(1);
    const { port: clientPort } = client.address() as AddressInfo;
    const atClient = () => keepAliveIn(connections.port, clientPort);
    const atBackend = () => keepAliveIn(held[0]?.upstreamPort ?? 0, backendPort);
    for (const waits of [atClient, atBackend]) {
      await eventually(waits).toBeGreaterThan(0);
      expect(await waits()).toBeLessThanOrEqual(tcpKeepAliveMs + 1_000);
    }
  });
});
