import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { startConnections, startHttpBackend } from "../support/connections.ts";
import { eventually } from "../support/eventually.ts";
import { gate } from "../support/gate.ts";
import { connectRaw, exchangeRaw } from "../support/raw-http.ts";

const close = "Host: x\r\nConnection: close\r\n";

/** The request that a backend received, header names as they were spelt. */
function received(request: IncomingMessage): string[] {
  const pairs: string[] = [];
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    pairs.push(`${request.rawHeaders[i]}: ${request.rawHeaders[i + 1]}`);
  }
  return pairs;
}

test("headers keep their spelling and their repetitions, both ways", async () => {
  let seen: string[] = [];
  const backend = await startHttpBackend((request, response) => {
    seen = received(request);
    const repeated = [
      "Set-Cookie",
      "a=1",
      "set-cookie",
      "b=2",
      "WWW-Authenticate",
      "X",
      "WWW-Authenticate",
      "Y",
    ];
    response.writeHead(401, "No Way", repeated).end("no");
  });
  const connections = await startConnections();
  connections.serve(backend.port);
  const answer = await exchangeRaw(
    connections.port,
    `GET ${await connections.path()}/ HTTP/1.1\r\n${close}X-Twice: 1\r\nx-twice: 2\r\nCookie: a=1\r\nCookie: b=2\r\n\r\n`,
  );
  expect(seen).toEqual(expect.arrayContaining(["X-Twice: 1", "x-twice: 2", "Cookie: a=1", "Cookie: b=2"]));
  expect(answer).toMatch(/^HTTP\/1\.1 401 No Way\r\n/);
  expect(answer).toContain(
    "Set-Cookie: a=1\r\nset-cookie: b=2\r\nWWW-Authenticate: X\r\nWWW-Authenticate: Y\r\n",
  );
});

test("a body stays framed as it came: chunked, with a length, or none", async () => {
  const framings: unknown[] = [];
  const backend = await startHttpBackend(async (request, response) => {
    const { "content-length": length, "transfer-encoding": coding } = request.headers;
    framings.push([request.method, length, coding, await text(request)]);
    response.end();
  });
  const connections = await startConnections();
  connections.serve(backend.port);
  const path = `${await connections.path()}/`;
  const requests = [
    `POST ${path} HTTP/1.1\r\n${close}Content-Length: 5\r\n\r\nhello`,
    `POST ${path} HTTP/1.1\r\n${close}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
    `GET ${path} HTTP/1.1\r\n${close}Content-Length: 5\r\n\r\nhello`,
    `DELETE ${path} HTTP/1.1\r\n${close}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
    `POST ${path} HTTP/1.1\r\n${close}\r\n`,
    `GET ${path} HTTP/1.1\r\n${close}\r\n`,
    `DELETE ${path} HTTP/1.1\r\n${close}\r\n`,
    `POST ${path} HTTP/1.0\r\n\r\n`,
  ];
  for (const request of requests) await exchangeRaw(connections.port, request);
  expect(framings).toEqual([
    ["POST", "5", undefined, "hello"],
    ["POST", undefined, "chunked", "hello"],
    ["GET", "5", undefined, "hello"],
    ["DELETE", undefined, "chunked", "hello"],
    ["POST", "0", undefined, ""],
    ["GET", undefined, undefined, ""],
    ["DELETE", undefined, undefined, ""],
    ["POST", "0", undefined, ""],
  ]);
});

test("a request that is framed in two ways, or in a way that is not known, is refused before any backend", async () => {
  let reached = 0;
  const backend = await startHttpBackend((_request, response) => {
    reached++;
    response.end();
  });
  const connections = await startConnections();
  connections.serve(backend.port);
  const path = `${await connections.path()}/`;
  const inside = `GET ${path}smuggled HTTP/1.1\r\nHost: x\r\n\r\n`;
  const refused = [
    [400, `Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${inside}`],
    [400, `Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n${inside}`],
    [400, `Content-Length: 4\r\nContent-Length: 5\r\n\r\n${inside}`],
    [400, `Content-Length: +4\r\n\r\n${inside}`],
    [400, `Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${inside}`],
    [400, `Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n${inside}`],
    [400, `Transfer-Encoding: chunked\r\n\r\n0x4\r\nabcd\r\n0\r\n\r\n${inside}`],
    [501, "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"],
  ] as const;
  for (const [status, rest] of refused) {
    const answer = await exchangeRaw(connections.port, `POST ${path} HTTP/1.1\r\n${close}${rest}`);
    expect([rest, Number(answer.split(" ")[1])]).toEqual([rest, status]);
  }
  expect(reached).toBe(0);
});

test("a second Host header does not reach the backend: the first decided where the request goes", async () => {
  let hosts: string[] = [];
  const backend = await startHttpBackend((request, response) => {
    hosts = received(request).filter((line) => /^(x-forwarded-)?host:/i.test(line));
    response.end();
  });
  const connections = await startConnections();
  connections.serve(backend.port);
  const head = `GET ${await connections.path()}/ HTTP/1.1\r\nHost: first\r\nHost: second\r\nConnection: close\r\n\r\n`;
  await exchangeRaw(connections.port, head);
  expect(hosts).toEqual(["Host: first", "x-forwarded-host: first"]);
});

test("answers without a body keep their headers: HEAD, 204 and 304", async () => {
  const backend = await startHttpBackend((request, response) => {
    const status = Number((request.url ?? "").slice(1));
    response.writeHead(status, { etag: '"1"', ...(status === 204 ? {} : { "content-length": "7" }) });
    response.end(request.method === "HEAD" || status !== 200 ? undefined : "content");
  });
  const connections = await startConnections();
  connections.serve(backend.port);
  const path = await connections.path();
  for (const [method, status] of [
    ["HEAD", 200],
    ["GET", 204],
    ["GET", 304],
  ] as const) {
    const answer = await exchangeRaw(
      connections.port,
      `${method} ${path}/${status} HTTP/1.1\r\n${close}\r\n`,
    );
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(answer).toContain('etag: "1"\r\n');
    expect(answer.includes("content-length: 7\r\n")).toBe(status !== 204);
    expect(answer).not.toMatch(/transfer-encoding/i);
    expect(answer.endsWith("\r\n\r\n")).toBe(true);
  }
});

test("trailers reach the other side, but for those that only the proxy or the framing may set", async () => {
  let trailers: unknown;
  const backend = await startHttpBackend(async (request, response) => {
    const body = await text(request);
    trailers = request.trailers;
    response.write(body);
    response.addTrailers({ "x-checksum": "abc", "x-verified-username": "root" });
    response.end();
  });
  const connections = await startConnections();
  connections.serve(backend.port);
  const body =
    "5\r\nhello\r\n0\r\nX-Own: 1\r\nX-Verified-Username: root\r\nx_verified_username: root\r\nHost: evil\r\n\r\n";
  const answer = await exchangeRaw(
    connections.port,
    `POST ${await connections.path()}/ HTTP/1.1\r\n${close}Transfer-Encoding: chunked\r\n\r\n${body}`,
  );
  expect(trailers).toEqual({ "x-own": "1" });
  expect(answer).toMatch(/\r\n0\r\nx-checksum: abc\r\n\r\n$/);
});

test("a client that expects 100-continue gets it when the backend sends it", async () => {
  const held = gate();
  const backend = await startHttpBackend(() => undefined);
  backend.server.on("checkContinue", async (request, response) => {
    await held.opened;
    response.writeContinue();
    response.end(await text(request).catch(() => ""));
  });
  const connections = await startConnections();
  connections.serve(backend.port);
  const client = await connectRaw(connections.port);
  const head = `POST ${await connections.path()}/ HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n`;
  client.write(head);
  await once(backend.server, "checkContinue");
  expect(client.received()).toBe("");
  held.open();
  await eventually(client.received).toBe("HTTP/1.1 100 Continue\r\n\r\n");
  client.write("hello");
  await eventually(client.received).toMatch(/HTTP\/1\.1 200 OK.*hello$/s);
  // The connection is as it was.
  client.write(head);
  await eventually(client.received).toMatch(/hello\r?\n?HTTP\/1\.1 100 Continue\r\n\r\n$/);
});

test("a client that expects 100-continue gets a refusal instead, and its connection is closed", async () => {
  const backend = await startHttpBackend(() => undefined);
  backend.server.on("checkContinue", (_request, response) => response.writeHead(413).end("too large"));
  const connections = await startConnections();
  connections.serve(backend.port);
  const rest = "HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
  const byBackend = await exchangeRaw(connections.port, `POST ${await connections.path()}/ ${rest}`);
  expect(byBackend).toMatch(/^HTTP\/1\.1 413 .*\r\nconnection: close\r\n/is);
  const byProxy = await exchangeRaw(connections.port, `POST /${"k".repeat(13)}/token/ ${rest}`);
  expect(byProxy).toMatch(/^HTTP\/1\.1 404 .*\r\nconnection: close\r\n/is);
  const webhook = await connectRaw(connections.port);
  webhook.write(`POST /webhook ${rest}`);
  await eventually(webhook.received).toBe("HTTP/1.1 100 Continue\r\n\r\n");
  webhook.write("hello");
  await eventually(webhook.received).toContain("HTTP/1.1 200 OK");
});

test("the head of an answer and each event of a stream reach the client as soon as they are there", async () => {
  const [first, second] = [gate(), gate()];
  const backend = await startHttpBackend(async (_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
    await first.opened;
    response.write("data: 1\n\n");
    await second.opened;
    response.end("data: 2\n\n");
  });
  const connections = await startConnections();
  connections.serve(backend.port);
  const response = await fetch(`${connections.url}${await connections.path()}/`);
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  first.open();
  expect((await reader?.read())?.value).toBe("data: 1\n\n");
  second.open();
  expect((await reader?.read())?.value).toBe("data: 2\n\n");
  expect((await reader?.read())?.done).toBe(true);
});

test("a client that leaves ends its request at the backend: while it waits, uploads or is answered", async () => {
  const open = new Map<string, Promise<unknown>>();
  const backend = await startHttpBackend((request, response) => {
    open.set(request.url ?? "", once(response, "close"));
    if (request.url === "/answered") response.write("begun");
    request.resume();
  });
  const connections = await startConnections();
  const counted = connections.serve(backend.port);
  const path = await connections.path();
  for (const [method, target] of [
    ["GET", "/waiting"],
    ["POST", "/uploading"],
    ["GET", "/answered"],
  ] as const) {
    const client = await connectRaw(connections.port);
    const length = method === "POST" ? "Content-Length: 5\r\n" : "";
    client.write(`${method} ${path}${target} HTTP/1.1\r\nHost: x\r\n${length}\r\n${length && "he"}`);
    await eventually(() => open.has(target)).toBe(true);
    expect(counted.connections).toBe(1);
    client.socket.destroy();
    await open.get(target);
    await eventually(() => counted.connections).toBe(0);
  }
});

test("an answer that breaks off is no whole answer for the client, however it was framed", async () => {
  const backend = await startHttpBackend((request, response) => {
    if (request.url === "/length") response.setHeader("content-length", "1000");
    response.write("begun", () => request.socket.destroy());
  });
  const connections = await startConnections();
  connections.serve(backend.port);
  const path = await connections.path();
  for (const [target, version] of [
    ["/length", "1.1"],
    ["/chunked", "1.1"],
    ["/chunked", "1.0"],
  ] as const) {
    const client = await connectRaw(connections.port);
    client.write(`GET ${path}${target} HTTP/${version}\r\n${close}\r\n`);
    const { text: got, broken } = await client.ended();
    if (version === "1.0") expect(broken).toBe(true);
    else expect(got).toMatch(/^HTTP\/1\.1 200 .*begun(\r\n)?$/s);
    const fetched = await fetch(`${connections.url}${path}${target}`);
    await expect(fetched.text()).rejects.toThrow();
  }
});

test("an answer before the end of an upload reaches the client, whose connection goes on", async () => {
  const backend = await startHttpBackend((_request, response) => response.writeHead(413).end("too large"));
  const connections = await startConnections();
  connections.serve(backend.port);
  const path = await connections.path();
  const client = await connectRaw(connections.port);
  client.write(`POST ${path}/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nbegun`);
  await eventually(client.received).toMatch(/^HTTP\/1\.1 413 .*too large/s);
  client.write("x".repeat(1_000_000 - "begun".length));
  client.write("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  expect((await client.ended()).text).toMatch(/HTTP\/1\.1 200 OK.*"ok"}$/s);
});

test("an upload that a backend breaks off is read to its end, and its client's connection goes on", async () => {
  const backend = await startHttpBackend((request) => request.socket.destroy());
  const connections = await startConnections();
  connections.serve(backend.port);
  const client = await connectRaw(connections.port);
  const size = 20_000_000;
  client.write(`POST ${await connections.path()}/ HTTP/1.1\r\nHost: x\r\nContent-Length: ${size}\r\n\r\n`);
  client.write("x".repeat(size));
  client.write("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  expect((await client.ended()).text).toMatch(/^HTTP\/1\.1 502 .*HTTP\/1\.1 200 OK.*"ok"}$/s);
});

test("what no backend should answer is 502, and does no harm", async () => {
  const backend = await startHttpBackend((request) => {
    const heads: Record<string, string> = {
      "/status": "HTTP/1.1 99 Odd\r\ncontent-length: 0\r\n\r\n",
      "/switch": "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
      "/reason": "HTTP/1.1 200 a\u0001b\r\ncontent-length: 2\r\n\r\nok",
      "/noise": "what?\r\n\r\n",
      "/huge": `HTTP/1.1 200 OK\r\nx: ${"x".repeat(100_000)}\r\n\r\n`,
      "/silence": "",
    };
    request.socket.end(heads[request.url ?? ""] ?? "");
  });
  const connections = await startConnections();
  connections.serve(backend.port);
  const path = await connections.path();
  for (const target of ["/status", "/switch", "/reason", "/noise", "/huge", "/silence"]) {
    const response = await fetch(`${connections.url}${path}${target}`, {
      headers: { accept: "application/json" },
    });
    expect([target, response.status]).toEqual([target, 502]);
    expect(await response.json()).toMatchObject({ error: { code: "backend_unreachable", status: 502 } });
  }
});

test("a client of HTTP/1.0 gets an answer without chunks", async () => {
  const backend = await startHttpBackend((_request, response) => {
    response.write("one ");
    response.end("two");
  });
  const connections = await startConnections();
  connections.serve(backend.port);
  const answer = await exchangeRaw(connections.port, `GET ${await connections.path()}/ HTTP/1.0\r\n\r\n`);
  expect(answer).not.toMatch(/transfer-encoding/i);
  expect(answer.endsWith("\r\n\r\none two")).toBe(true);
});

test("requests that follow one another on a client's connection are answered in order", async () => {
  const backend = await startHttpBackend((request, response) => response.end(request.url));
  const connections = await startConnections();
  connections.serve(backend.port);
  const path = await connections.path();
  const requests = [1, 2, 3].map((n) => `GET ${path}/${n} HTTP/1.1\r\nHost: x\r\n\r\n`);
  const last = `GET ${path}/4 HTTP/1.1\r\n${close}\r\n`;
  const answer = await exchangeRaw(connections.port, requests.join("") + last);
  expect(answer.match(/\/\d(?=HTTP|$)/g)).toEqual(["/1", "/2", "/3", "/4"]);
});

test("a request is counted while it is under way, and its backend's kept connection is not", async () => {
  const answering = gate();
  const backend = await startHttpBackend(async (_request, response) => {
    await answering.opened;
    response.end("done");
  });
  const connections = await startConnections();
  const counted = connections.serve(backend.port);
  const request = httpRequest(`${connections.url}${await connections.path()}/`);
  request.end();
  await eventually(() => counted.connections).toBe(1);
  answering.open();
  const [response] = await once(request, "response");
  expect(await text(response)).toBe("done");
  await eventually(() => counted.connections).toBe(0);
  const open = await new Promise((resolve) => backend.server.getConnections((_, count) => resolve(count)));
  expect(open).toBe(1);
});
