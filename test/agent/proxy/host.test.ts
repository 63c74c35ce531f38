import { once } from "node:events";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { backendId, startConnections, startHttpBackend } from "../support/connections.ts";
import { exchangeRaw } from "../support/raw-http.ts";

const host = `${backendId}.prod.example.com`;
const other = "k3f9q0000000z";

async function startHosts(spawn: { require_bearer_token?: boolean } = {}) {
  const backend = await startHttpBackend(async (request, response) => {
    const { host: hostOfRequest, authorization } = request.headers;
    response.end(
      JSON.stringify({ url: request.url, host: hostOfRequest, authorization, body: await text(request) }),
    );
  });
  const sockets = new WebSocketServer({ server: backend.server });
  sockets.on("connection", (socket, request) => socket.send(request.url ?? ""));
  const connections = await startConnections({ backendDomain: "Prod.example.com" });
  connections.serve(backend.port, spawn);
  const send = async (target: string, onHost = host, more = "", method = "GET") => {
    const head = `${method} ${target} HTTP/1.1\r\nHost: ${onHost}\r\nConnection: close\r\n${more}\r\n`;
    const answer = await exchangeRaw(connections.port, head);
    return {
      status: Number(answer.split(" ")[1]),
      answer,
      body: answer.slice(answer.indexOf("\r\n\r\n") + 4),
    };
  };
  return { connections, send };
}

test("on a backend's own host every path is the backend's, without the token", async () => {
  const { connections, send } = await startHosts();
  const token = await connections.token();
  for (const path of ["/", "/webhook", "/healthz", `/${backendId}/x?y=/`, "//x"]) {
    const { status, body } = await send(`/${token}${path}`);
    expect([status, JSON.parse(body)]).toMatchObject([200, { url: path, host }]);
  }
});

test("on a backend's own host nobody reaches the agent's own endpoints", async () => {
  const { send } = await startHosts();
  for (const onHost of [host, `${other}.prod.example.com`]) {
    const expected = onHost === host ? 401 : 404;
    expect((await send("/webhook", onHost, "Content-Length: 0\r\n", "POST")).status).toBe(expected);
    expect((await send("/healthz", onHost)).status).toBe(expected);
  }
});

test("a backend's own host is known in any case, with any port and with the root's dot", async () => {
  const { connections, send } = await startHosts();
  const token = await connections.token();
  for (const spelt of [host.toUpperCase(), `${host}:8443`, `${host}.`]) {
    expect((await send(`/${token}/`, spelt)).status).toBe(200);
  }
});

test("on every other host, the agent's own for one, the path names the backend", async () => {
  const { connections, send } = await startHosts();
  const path = await connections.path();
  for (const elsewhere of ["agent.prod.example.com", "prod.example.com", `x.${host}`, "127.0.0.1"]) {
    expect((await send(`${path}/x`, elsewhere)).status).toBe(200);
    expect((await send("/healthz", elsewhere)).body).toBe('{"status":"ok"}');
    expect((await send("/webhook", elsewhere, "Content-Length: 0\r\n", "POST")).body).toBe('{"agent":true}');
  }
});

test("a token is good on the host of its own backend only", async () => {
  const { connections, send } = await startHosts();
  expect((await send(`/${await connections.token({ backendId: other })}/`)).status).toBe(401);
});

test("the host of a backend that is not here is 404, as a page or as JSON", async () => {
  const { connections, send } = await startHosts();
  const target = `/${await connections.token({ backendId: other })}/`;
  const page = await send(target, `${other}.prod.example.com`, "Accept: text/html\r\n");
  expect(page.status).toBe(404);
  expect(page.body).toContain("no backend runs at this address");
  const json = await send(target, `${other}.prod.example.com`, "Accept: application/json\r\n");
  expect(JSON.parse(json.body)).toMatchObject({ error: { status: 404, code: "backend_not_found" } });
});

test("on a backend's own host a path without the slash after the token redirects to the one with it", async () => {
  const { connections, send } = await startHosts();
  const token = await connections.token();
  const { status, answer } = await send(`/${token}?x=1`);
  expect(status).toBe(307);
  expect(answer).toContain(`location: ./${token}/?x=1\r\n`);
});

test("a backend that requires a bearer token gets the whole path of its own host", async () => {
  const { connections, send } = await startHosts({ require_bearer_token: true });
  const authorization = `Authorization: Bearer ${await connections.token()}\r\n`;
  for (const path of ["/", "/webhook", "/a/b?c"]) {
    const { body } = await send(path, host, authorization);
    expect(JSON.parse(body)).toEqual({ url: path, host, body: "" });
  }
  expect((await send("/")).status).toBe(401);
});

test("a WebSocket reaches a backend on its own host", async () => {
  const { connections } = await startHosts();
  const address = `ws://127.0.0.1:${connections.port}/${await connections.token()}/rooms/1?x`;
  const socket = new WebSocket(address, { headers: { host } });
  const [message] = await once(socket, "message");
  expect(String(message)).toBe("/rooms/1?x");
  socket.terminate();
});
