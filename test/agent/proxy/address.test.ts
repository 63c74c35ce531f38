import { once } from "node:events";
import { createServer } from "node:http";
import { expect, onTestFinished, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { listenOn, startConnections } from "../support/connections.ts";

// Linux alone answers at every address of 127.0.0.0/8.
test.skipIf(process.platform !== "linux")(
  "requests and WebSockets go to the backend's own address, and not to its port on 127.0.0.1",
  async () => {
    const host = "127.0.0.2";
    const server = createServer((request, response) => response.end(request.socket.localAddress));
    const sockets = new WebSocketServer({ server });
    sockets.on("connection", (socket, request) => socket.send(String(request.socket.localAddress)));
    onTestFinished(() => server.closeAllConnections());
    const port = await listenOn(server, host);
    const connections = await startConnections();
    connections.serve(port).address = { host, port };
    const url = `${connections.url}${await connections.path()}/`;

    const response = await fetch(url);
    expect([response.status, await response.text()]).toEqual([200, host]);
    const socket = new WebSocket(url.replace(/^http/, "ws"));
    const [message] = await once(socket, "message");
    expect(String(message)).toBe(host);
    socket.terminate();
  },
);
