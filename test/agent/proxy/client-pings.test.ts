import { once } from "node:events";
import { createServer } from "node:http";
import { expect, onTestFinished, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { listenOn, startConnections } from "../support/connections.ts";
import { eventually } from "../support/eventually.ts";
import { connectRaw } from "../support/raw-http.ts";

/** For clients that vanish, and for those that stay: a busy machine may keep their answers for a while. */
const [quick, patient] = [20, 250];

/**
 * A WebSocket backend behind the agent's proxy.
 * @param clientPingEveryMs `quick` or `patient`
 * @param says headers of its answers to upgrades
 */
async function startWebSockets(
  clientPingEveryMs: number,
  { says = [], perMessageDeflate = false }: { says?: readonly string[]; perMessageDeflate?: boolean } = {},
) {
  const server = createServer();
  const sockets = new WebSocketServer({ server, perMessageDeflate });
  sockets.on("headers", (headers) => headers.push(...says));
  onTestFinished(() => {
    for (const socket of sockets.clients) socket.terminate();
  });
  const connections = await startConnections({ clientPingEveryMs });
  const backend = connections.serve(await listenOn(server));
  const accepted = () => once(sockets, "connection").then(([socket]): WebSocket => socket);
  const url = async () => `ws://127.0.0.1:${connections.port}${await connections.path()}/`;
  return { connections, backend, accepted, url };
}

type WebSockets = Awaited<ReturnType<typeof startWebSockets>>;

/** A client that does what it has to, and both ends of its connection. */
async function connect({ accepted, url }: WebSockets) {
  const accepting = accepted();
  const client = new WebSocket(await url());
  onTestFinished(() => client.terminate());
  const pings: Buffer[] = [];
  client.on("ping", (payload) => pings.push(payload));
  await once(client, "open");
  return { client, backend: await accepting, pings };
}

/** A client that sends its request and then nothing any more, as one does whose cable was pulled. */
async function connectAndVanish({ accepted, url, connections }: WebSockets, extensions = "") {
  const accepting = accepted();
  const raw = await connectRaw(connections.port);
  raw.write(
    `GET ${new URL(await url()).pathname} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${Buffer.alloc(16).toString("base64")}\r\n${extensions}\r\n`,
  );
  const backend = await accepting;
  await eventually(() => raw.received()).toContain("101 Switching Protocols");
  return { raw, backend };
}

/** Resolves when a silent client would have been gone by many Pings. */
async function someTicks(): Promise<void> {
  const { pings } = await connect(await startWebSockets(patient));
  await eventually(() => pings.length).toBeGreaterThan(1);
}

test("a client that vanishes is gone for its backend and for the idle sweep, whether or not it is sent anything", async () => {
  for (const message of [null, "hello"]) {
    const sockets = await startWebSockets(quick);
    const { backend, raw } = await connectAndVanish(sockets);
    expect(sockets.backend.connections).toBe(1);
    if (message !== null) backend.send(message);
    await once(backend, "close");
    expect((await raw.ended()).text).toContain(message ?? "");
    await eventually(() => sockets.backend.connections).toBe(0);
  }
});

test("a client that stops reading, while its backend goes on sending, is gone", async () => {
  const sockets = await startWebSockets(quick);
  const { backend, raw } = await connectAndVanish(sockets);
  raw.socket.pause();
  const sending = setInterval(() => {
    // More than the sockets between them take, and no more than this process has memory for.
    if (backend.bufferedAmount < 20_000_000) backend.send(Buffer.alloc(1_000_000));
  }, 1);
  onTestFinished(() => clearInterval(sending));
  await once(backend, "close");
  await eventually(() => sockets.backend.connections).toBe(0);
});

test("a client that stops reading in the middle of a frame, where no Ping has a place, is gone", async () => {
  const sockets = await startWebSockets(quick);
  const { backend, raw } = await connectAndVanish(sockets);
  raw.socket.pause();
  // More than the sockets between them take.
  backend.send(Buffer.alloc(50_000_000));
  await once(backend, "close");
  await eventually(() => sockets.backend.connections).toBe(0);
});

test("a client that is silent and answers stays, and its backend sees nothing of it", async () => {
  const { client, backend, pings } = await connect(await startWebSockets(patient));
  const seen: string[] = [];
  backend.on("pong", () => seen.push("pong"));
  backend.on("message", (data) => seen.push(String(data)));
  await eventually(() => pings.length).toBeGreaterThan(3);
  expect(client.readyState).toBe(WebSocket.OPEN);
  client.send("still here");
  await eventually(() => seen).toEqual(["still here"]);
  client.close(1000, "done");
  const [code, reason] = await once(backend, "close");
  expect([code, String(reason)]).toEqual([1000, "done"]);
});

test.for([false, true])(
  "messages are whole between Pings, in fragments and both ways (compressed: %s)",
  async (deflate) => {
    const sockets = await startWebSockets(patient, { perMessageDeflate: deflate });
    const { client, backend, pings } = await connect(sockets);
    expect(client.extensions).toBe(deflate ? "permessage-deflate" : "");
    const toClient: string[] = [];
    const toBackend: string[] = [];
    client.on("message", (data) => toClient.push(String(data)));
    backend.on("message", (data) => toBackend.push(String(data)));
    const texts = ["short", "long ".repeat(30_000)];
    for (let round = 0; round < 2; round++) {
      for (const [sender, received] of [
        [backend, toClient],
        [client, toBackend],
      ] as const) {
        received.length = 0;
        const before = pings.length;
        sender.send(texts[0] ?? "");
        sender.send((texts[1] ?? "").slice(0, 70_000), { fin: false });
        await eventually(() => pings.length).toBeGreaterThan(before);
        sender.send((texts[1] ?? "").slice(70_000), { fin: true });
        await eventually(() => received).toEqual(texts);
      }
    }
  },
);

test("a backend's own Pings are answered to it, and a client that does not is gone by them as well", async () => {
  const { backend, pings } = await connect(await startWebSockets(patient));
  const answers: string[] = [];
  backend.on("pong", (payload) => answers.push(String(payload)));
  for (const payload of ["1", "2", "3"]) {
    backend.ping(payload);
    await eventually(() => answers.at(-1)).toBe(payload);
  }
  expect(pings.map(String)).toEqual(expect.arrayContaining(["1", "2", "3"]));
  expect(answers).toEqual(["1", "2", "3"]);
  const silent = await connectAndVanish(await startWebSockets(quick));
  silent.backend.ping("4");
  await once(silent.backend, "close");
});

test.for([
  ["says so", ["X-Slipway-Ping: off"]],
  ["has an extension that may change what frames are", ["Sec-WebSocket-Extensions: x-frames-of-our-own"]],
] as const)("nobody is pinged where the backend %s, nor taken for gone", async ([, says]) => {
  const sockets = await startWebSockets(quick, { says });
  const { backend, raw } = await connectAndVanish(
    sockets,
    "Sec-WebSocket-Extensions: x-frames-of-our-own\r\n",
  );
  await someTicks();
  expect(raw.received()).toMatch(/\r\n\r\n$/);
  expect(backend.readyState).toBe(WebSocket.OPEN);
  backend.send("for you");
  await eventually(() => raw.received()).toContain("for you");
});
