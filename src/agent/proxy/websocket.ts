import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from "node:http";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createProxyServer } from "httpxy";
import { tcpKeepAliveMs } from "../clock.ts";
import type { Address } from "../runtimes/runtime.ts";
import { endWhenClientLeaves } from "./client-departure.ts";
import { pingClient } from "./client-pings.ts";
import { corsFor } from "./cors.ts";
import { acceptLargeHeads, limitConnecting } from "./forward.ts";
import type { FlatHeaders } from "./headers.ts";

export interface WebSocketForwarder {
  /** Call it as soon as an upgrade request is received, so that a client that leaves early is noticed. */
  watch(socket: Duplex): void;
  /** Opens a tunnel to a backend. Its refusal of the upgrade reaches the client as it is. */
  forward(
    request: IncomingMessage,
    socket: Socket,
    head: Buffer,
    to: { address: Address; path: string; headers: FlatHeaders; mayRun(): boolean },
  ): Promise<void>;
}

/** Headers of one request only, or set again for the upgrade. */
const notForUpgrades = new Set(["expect", "content-length", "transfer-encoding", "connection", "upgrade"]);

/** In a backend's answer to an upgrade: `off` where it wants its connection without Pings of the proxy. */
const pingHeader = "x-slipway-ping";

/**
 * @param pingEveryMs how often a silent client is pinged (`pingClient`)
 * @param connectTimeoutMs how long a backend may take to accept a connection
 * @param onFailure called while HTTP is still spoken on the client's socket; a tunnel that breaks is just closed
 */
export function webSocketForwarder(options: {
  connectTimeoutMs: number;
  pingEveryMs: number;
  onFailure(error: Error, request: IncomingMessage | undefined, socket: Duplex): void;
}): WebSocketForwarder {
  // A tunnel never uses a kept-alive connection.
  const proxy = createProxyServer({ agent: false });
  /** Sockets that have switched protocols: HTTP is no longer spoken there. */
  const tunnels = new WeakSet<Duplex>();
  const stopWatching = new WeakMap<Duplex, () => void>();
  /** The clients of open tunnels, by the sockets of their backends. */
  const clients = new WeakMap<Socket, { client: Socket; isPinged: boolean }>();
  const leases = new WeakMap<Duplex, () => boolean>();

  proxy.on("error", (error, request, socket) => {
    if (socket instanceof Socket && !tunnels.has(socket)) options.onFailure(error, request, socket);
  });
  proxy.on("proxyReqWs", (upstream, _request, socket) => {
    acceptLargeHeads(upstream);
    upstream.once("socket", (assigned: Socket) => {
      limitConnecting(upstream, assigned, options.connectTimeoutMs);
    });
    // Before the library reads them: its own listener is added after this event.
    upstream.once("response", (refusal) => Object.assign(refusal.headers, corsFor(refusal.rawHeaders)));
    upstream.once("upgrade", (response, upstreamSocket) => {
      stopWatching.get(socket)?.();
      tunnels.add(socket);
      clients.set(upstreamSocket, { client: socket, isPinged: takesPings(response) });
    });
    tieTogether(upstream, socket, leases.get(socket));
  });
  // Both directions are piped by now, and nothing has been read.
  proxy.on("proxySocket", (upstreamSocket) => {
    const tunnel = clients.get(upstreamSocket);
    if (!tunnel) return;
    const { client, isPinged } = tunnel;
    for (const socket of [client, upstreamSocket]) socket.setKeepAlive(true, tcpKeepAliveMs);
    if (isPinged) pingClient(client, upstreamSocket, options.pingEveryMs);
  });

  return {
    watch(socket) {
      socket.on("error", () => socket.destroy());
      stopWatching.set(socket, endWhenClientLeaves(socket));
    },
    async forward(request, socket, head, { address, path, headers, mayRun }) {
      leases.set(socket, mayRun);
      request.headers = upgradeHeaders(headers);
      request.url = path;
      await proxy.ws(request, socket, { target: address }, head);
    },
  };
}

/** Whether frames may be put between a backend's: its extensions must leave it at what frames are. */
function takesPings({ headers }: IncomingMessage): boolean {
  const extensions = (headers["sec-websocket-extensions"] ?? "").split(",").map((name) => name.trim());
  const areOfMessages = extensions.every((name) => name === "" || name.startsWith("permessage-"));
  return areOfMessages && String(headers[pingHeader] ?? "").toLowerCase() !== "off";
}

function upgradeHeaders(headers: FlatHeaders): IncomingHttpHeaders {
  const upgrade: Record<string, string | string[]> = {};
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = (headers[i] ?? "").toLowerCase();
    const value = headers[i + 1] ?? "";
    const earlier = upgrade[name];
    if (!notForUpgrades.has(name)) upgrade[name] = earlier === undefined ? value : [earlier, value].flat();
  }
  return { ...upgrade, connection: "Upgrade", upgrade: "websocket" };
}

/**
 * Lets neither side of a WebSocket outlive the other, however that ends, nor anything pass once its backend may not run:
 * this process may have been frozen before it was read.
 */
function tieTogether(upstream: ClientRequest, socket: Socket, mayRun: () => boolean = () => true): void {
  socket.once("close", () => upstream.destroy());
  upstream.once("upgrade", (_response, upstreamSocket) => {
    const check = () => {
      if (mayRun()) return;
      socket.destroy();
      upstreamSocket.destroy();
    };
    for (const side of [socket, upstreamSocket]) side.prependListener("data", check);
    socket.once("close", () => upstreamSocket.destroy());
    upstreamSocket.once("close", () => socket.destroySoon());
  });
}
