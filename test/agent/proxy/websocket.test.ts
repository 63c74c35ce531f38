import { once } from "node:events";
import { connect } from "node:net";
import { expect, test } from "vitest";
import { WebSocket } from "ws";
import { connectionSecret } from "../../../src/protocol/tokens/connection-secret.ts";
import { spawnData, startCluster, type TestCluster } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";

/** Opens a WebSocket. @returns it and its first message, which holds the request that the backend received */
async function open(address: string, headers: Record<string, string> = {}) {
  const socket = new WebSocket(address.replace(/^http/, "ws"), { headers });
  const [message] = await once(socket, "message");
  return { socket, request: Object(JSON.parse(String(message))) };
}

async function statusOfRefusal(address: string): Promise<number | undefined> {
  const socket = new WebSocket(address.replace(/^http/, "ws"));
  const [, response] = await once(socket, "unexpected-response");
  response.resume();
  return response.statusCode;
}

async function spawnIdle(cluster: TestCluster) {
  // A true wait: the limits of a spawn are whole seconds.
  const limits = { startup_timeout_seconds: 60, max_idle_seconds: 1 };
  return cluster.spawnReady("serve", { limits });
}

test("a WebSocket reaches its backend, text and binary, with the claims and without forged headers", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawnReady();
  const address = await cluster.address(id, "/rooms/1?x=2", { user: "alice", tokenId: "7c0e" });
  const { socket, request } = await open(address, { "X-Verified-Username": "root", "x-verified-else": "1" });
  const headers = {
    "x-verified-username": "alice",
    "x-verified-user-data": "{}",
    "x-verified-backend": id,
    "x-verified-path": "/rooms/1",
    "x-verified-secret": connectionSecret(spawnData().secret_token, "7c0e"),
  };
  expect(request).toMatchObject({ url: "/rooms/1?x=2", headers });
  expect(request.headers).not.toHaveProperty("x-verified-else");
  for (const sent of ["hello", Buffer.from([0, 255, 7])]) {
    socket.send(sent);
    const [received] = await once(socket, "message");
    expect(Buffer.from(received).equals(Buffer.from(sent))).toBe(true);
  }
  socket.close(1000, "done");
  const [code, reason] = await once(socket, "close");
  expect([code, String(reason)]).toEqual([1000, "done"]);
});

test("a WebSocket to an address without the last slash reaches the root", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawnReady();
  const { socket, request } = await open(await cluster.address(id, "?x=1"));
  expect(request).toMatchObject({ url: "/?x=1", headers: { "x-verified-path": "/" } });
  socket.terminate();
});

test("a WebSocket with a wrong token, to nowhere, or to a backend that is not ready is refused", async () => {
  const cluster = await startCluster({ clock: { connectionWaitMs: 20 } });
  const id = await cluster.spawnReady();
  const waiting = await cluster.spawn("never-listen");
  expect(await statusOfRefusal(`${cluster.agent.url}/${id}/nonsense/`)).toBe(401);
  expect(await statusOfRefusal(await cluster.address("k3f9qunheard0", "/"))).toBe(404);
  expect(await statusOfRefusal(await cluster.address(waiting, "/"))).toBe(503);
  expect(await statusOfRefusal(`${cluster.agent.url}/webhook`)).toBe(404);
});

test("a backend's own refusal of a WebSocket reaches the client, and one that cannot be reached is 502", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawnReady();
  expect(await statusOfRefusal(await cluster.address(id, "/refuse"))).toBe(403);
  await fetch(await cluster.address(id, "/stop-listening"));
  expect(await statusOfRefusal(await cluster.address(id, "/"))).toBe(502);
});

test("a WebSocket that the backend drops ends for the client too", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawnReady();
  const { socket } = await open(await cluster.address(id, "/"));
  socket.on("error", () => undefined);
  socket.send("terminate");
  await once(socket, "close");
});

test("a client that goes away before its WebSocket is open leaves nothing open at the backend", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawnReady();
  const socket = new WebSocket((await cluster.address(id, "/hold")).replace(/^http/, "ws"));
  socket.on("error", () => undefined);
  await eventually(() => cluster.get(id, "/held-upgrades")).toBe(1);
  socket.terminate();
  await eventually(() => cluster.get(id, "/held-upgrades")).toBe(0);
});

test("the socket of a refused WebSocket is closed even if the client keeps its half open", async () => {
  const cluster = await startCluster();
  const { hostname, port } = new URL(cluster.agent.url);
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
  socket.write(
    "GET /k3f9qunheard0/x/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
  );
  socket.on("error", () => undefined);
  socket.resume();
  await once(socket, "end");
  await eventually(() => {
    socket.write("anybody there?");
    return socket.destroyed;
  }).toBe(true);
});

test("a backend with an open WebSocket is not swept, and is once it has closed", async () => {
  const cluster = await startCluster();
  const used = await spawnIdle(cluster);
  const { socket } = await open(await cluster.address(used, "/"));
  const idle = await spawnIdle(cluster);
  expect(await cluster.end(idle)).toMatchObject({ termination_reason: "swept" });
  expect(cluster.slipway.statusesOf(used).at(-1)).toBe("ready");
  socket.terminate();
  expect(await cluster.end(used)).toMatchObject({ termination_reason: "swept" });
});

test("close ends open WebSockets", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawnReady("ignore-sigterm");
  const { socket } = await open(await cluster.address(id, "/"));
  socket.on("error", () => undefined);
  const closed = once(socket, "close");
  await cluster.agent.close();
  await closed;
});
