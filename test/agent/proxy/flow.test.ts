import { once } from "node:events";
import { createServer, request as httpRequest } from "node:http";
import { connect } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, onTestFinished, test } from "vitest";
import { listenOn, startConnections, startHttpBackend } from "../support/connections.ts";
import { eventually } from "../support/eventually.ts";
import { gate } from "../support/gate.ts";

const mebibyte = 2 ** 20;
const piece = Buffer.alloc(64 * 1024, "slipway ");
const totalBytes = 128 * mebibyte;
/** What the sockets' buffers in the kernel may hold, on all the hops together. */
const inFlightMaxBytes = 48 * mebibyte;
/** What this process may hold of a body on its way: backend, proxy and client together. */
const heldMaxBytes = 4 * mebibyte;
const lookEveryBytes = 16 * mebibyte;

setFlagsFromString("--expose-gc");
const collectGarbage: unknown = runInNewContext("gc");

/** The bytes of buffers that are in use. */
function heldBytes(): number {
  if (typeof collectGarbage !== "function") throw new Error("this Node cannot collect garbage on demand");
  // The first leaves freed buffers to be swept in the background; the second waits for that.
  collectGarbage();
  collectGarbage();
  return process.memoryUsage().arrayBuffers;
}

/** Writes `totalBytes`, as fast as it is taken. @returns how much was taken so far */
function pump(target: NodeJS.WritableStream): () => number {
  let written = 0;
  const more = () => {
    while (written < totalBytes) {
      written += piece.length;
      if (!target.write(piece)) return void target.once("drain", more);
    }
    target.end();
  };
  more();
  return () => written;
}

/** Resolves once a number has stayed the same over many looks, each of which lets everything else go on. */
async function untilSteady(read: () => number): Promise<number> {
  let last = -1;
  let same = 0;
  await eventually(() => {
    const now = read();
    same = now === last ? same + 1 : 0;
    last = now;
    return same;
  }).toBeGreaterThan(40);
  return last;
}

test("a client that does not read holds its backend back, and gets everything once it reads", async () => {
  let written = () => 0;
  const backend = await startHttpBackend((_request, response) => {
    response.writeHead(200, { "content-length": totalBytes });
    written = pump(response);
  });
  const connections = await startConnections();
  connections.serve(backend.port);
  const request = httpRequest(`${connections.url}${await connections.path()}/`);
  request.end();
  const [response] = await once(request, "response");
  expect(await untilSteady(written)).toBeLessThan(inFlightMaxBytes);

  const before = heldBytes();
  let peak = 0;
  let got = 0;
  for await (const chunk of response) {
    const looks = Math.floor(got / lookEveryBytes);
    got += chunk.length;
    if (Math.floor(got / lookEveryBytes) > looks) peak = Math.max(peak, heldBytes() - before);
  }
  expect(got).toBe(totalBytes);
  expect(peak).toBeLessThan(heldMaxBytes);
});

test("a backend that does not read holds its client back, and gets everything once it reads", async () => {
  const reading = gate();
  let got = 0;
  const backend = createServer(async (request, response) => {
    await reading.opened;
    for await (const chunk of request) got += chunk.length;
    response.end("done");
  });
  const connections = await startConnections();
  connections.serve(await listenOn(backend));
  const request = httpRequest(`${connections.url}${await connections.path()}/`, { method: "POST" });
  const written = pump(request);
  expect(await untilSteady(written)).toBeLessThan(inFlightMaxBytes);
  reading.open();
  const [response] = await once(request, "response");
  response.resume();
  expect(got).toBe(totalBytes);
});

test("a WebSocket's client that does not read holds its backend back", async () => {
  let written = () => 0;
  const backend = await startHttpBackend(() => undefined);
  backend.server.on("upgrade", (_request, socket) => {
    socket.on("error", () => undefined);
    socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    written = pump(socket);
    onTestFinished(() => void socket.destroy());
  });
  const connections = await startConnections();
  connections.serve(backend.port);
  const client = connect(connections.port, "127.0.0.1");
  onTestFinished(() => void client.destroy());
  client.write(
    `GET ${await connections.path()}/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
  );
  await eventually(() => written()).toBeGreaterThan(0);
  expect(await untilSteady(written)).toBeLessThan(inFlightMaxBytes);
});
