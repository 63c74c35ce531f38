import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";
import {
  backendId,
  type Connections,
  listenOn,
  startConnections,
  startHttpBackend,
  testBackend,
} from "../support/connections.ts";
import { eventually } from "../support/eventually.ts";

const ok = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/** A backend that says for each connection, and each request on it, what it writes; null closes without a word. */
async function startScripted(answers: readonly (readonly (string | null)[])[]) {
  const requests: string[] = [];
  let opened = 0;
  const server = createServer((socket) => {
    const connection = opened++;
    let received = 0;
    socket.on("error", () => undefined);
    socket.on("data", (data) => {
      requests.push(`${connection} ${String(data).split(" ", 1)[0]}`);
      const answer = answers[connection]?.[received++] ?? null;
      if (answer === null) socket.destroy();
      else if (answer.endsWith("ok")) socket.write(answer);
      else socket.end(answer);
    });
  });
  return { port: await listenOn(server), requests, opened: () => opened };
}

async function statusOf(connections: Connections, method = "GET", body?: string): Promise<number> {
  const response = await fetch(`${connections.url}${await connections.path()}/`, {
    method,
    ...(body === undefined ? {} : { body }),
  });
  await response.text();
  return response.status;
}

test("safe requests without a body follow one another on one connection; every other has its own", async () => {
  const ports = new Set<number | undefined>();
  const backend = await startHttpBackend(async (request, response) => {
    ports.add(request.socket.remotePort);
    const body = await text(request);
    // Node keeps no connection after a HEAD that is answered without a length.
    response.setHeader("content-length", body.length);
    response.end(body);
  });
  const connections = await startConnections();
  connections.serve(backend.port);
  for (const method of ["GET", "HEAD", "OPTIONS", "GET"]) await statusOf(connections, method);
  expect(ports.size).toBe(1);
  await statusOf(connections, "POST", "x");
  await statusOf(connections, "POST");
  await statusOf(connections, "DELETE");
  await statusOf(connections, "OPTIONS", "x");
  expect(ports.size).toBe(5);
});

test("a kept connection that the backend closes as it is used is replaced by a fresh one", async () => {
  const backend = await startScripted([[ok, null], [ok]]);
  const connections = await startConnections();
  connections.serve(backend.port);
  expect(await statusOf(connections)).toBe(200);
  expect(await statusOf(connections)).toBe(200);
  expect(backend.requests).toEqual(["0 GET", "0 GET", "1 GET"]);
  expect(connections.logged).toEqual([]);
});

test("a request is repeated once only, and not at all on a connection that was fresh", async () => {
  const backend = await startScripted([[ok, null], [null], [null], [null]]);
  const connections = await startConnections();
  connections.serve(backend.port);
  expect(await statusOf(connections)).toBe(200);
  expect(await statusOf(connections)).toBe(502);
  expect(backend.requests).toEqual(["0 GET", "0 GET", "1 GET"]);
  expect(await statusOf(connections)).toBe(502);
  expect(await statusOf(connections, "POST", "x")).toBe(502);
  expect(backend.requests.slice(3)).toEqual(["2 GET", "3 POST"]);
});

test("a request is not repeated once any byte of an answer has come", async () => {
  const backend = await startScripted([[ok, "HTTP/1.1 2"], [ok]]);
  const connections = await startConnections();
  connections.serve(backend.port);
  expect(await statusOf(connections)).toBe(200);
  expect(await statusOf(connections)).toBe(502);
  expect(backend.requests).toEqual(["0 GET", "0 GET"]);
});

test("a kept connection never leads to another backend, although it has the same port", async () => {
  const backend = await startScripted([[ok, ok], [ok]]);
  const connections = await startConnections();
  connections.serve(backend.port);
  await statusOf(connections);
  connections.backends.set(backendId, testBackend(backend.port));
  await statusOf(connections);
  expect(backend.requests).toEqual(["0 GET", "1 GET"]);
});

test("streams that are open, however many, keep no other request waiting", async () => {
  const streams = 300;
  let open = 0;
  const backend = await startHttpBackend((request, response) => {
    if (request.url !== "/stream") return response.end("ok");
    open++;
    return response.flushHeaders();
  });
  const connections = await startConnections();
  connections.serve(backend.port);
  const path = await connections.path();
  for (let i = 0; i < streams; i++) {
    const client = connect(connections.port, "127.0.0.1");
    client.on("error", () => undefined);
    onTestFinished(() => void client.destroy());
    client.write(`GET ${path}/stream HTTP/1.1\r\nHost: x\r\n\r\n`);
  }
  await eventually(() => open).toBe(streams);
  expect(await statusOf(connections)).toBe(200);
});

test("a backend that accepts no connection in time is 504", async () => {
  // It never looks at its queue, which the kernel keeps for it; once that is full, nobody gets an answer.
  const program = `const server = require("node:net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
    require("node:fs").writeSync(1, String(server.address().port));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  });`;
  const child = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const [printed] = await once(child.stdout, "data");
  const port = Number(printed);
  const queued: Socket[] = [];
  onTestFinished(() => {
    for (const socket of queued) socket.destroy();
  });
  const isFull = () => queued.some((socket) => socket.connecting);
  await eventually(() => {
    queued.push(connect(port, "127.0.0.1").on("error", () => undefined));
    return queued.length > 4 && isFull();
  }).toBe(true);

  const connections = await startConnections({ connectionWaitMs: 50 });
  connections.serve(port);
  const path = await connections.path();
  const response = await fetch(`${connections.url}${path}/`, { headers: { accept: "application/json" } });
  expect([response.status, await response.json()]).toMatchObject([
    504,
    { error: { code: "backend_timeout" } },
  ]);
  const upgrade = "GET PATH/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
  const socket = connect(connections.port, "127.0.0.1");
  socket.write(upgrade.replace("PATH", path));
  expect(await text(socket)).toMatch(/^HTTP\/1\.1 504 /);
});
