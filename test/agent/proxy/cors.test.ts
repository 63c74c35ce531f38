import { expect, test } from "vitest";
import {
  backendId,
  type Connections,
  startConnections,
  startHttpBackend,
  testBackend,
} from "../support/connections.ts";
import { eventually } from "../support/eventually.ts";
import { connectRaw, exchangeRaw } from "../support/raw-http.ts";

const page = "Origin: https://app.example\r\n";
const preflight = `${page}Access-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: authorization\r\n`;
const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";

/** Status and headers of what is answered. */
async function send(connections: Connections, requestLine: string, head: string) {
  const connection = head.includes("Connection:") ? "" : "Connection: close\r\n";
  const answer = await exchangeRaw(
    connections.port,
    `${requestLine} HTTP/1.1\r\nHost: x\r\n${connection}${head}\r\n`,
  );
  const [statusLine = "", ...lines] = answer.slice(0, answer.indexOf("\r\n\r\n")).split("\r\n");
  const headers = lines.map((line) => line.toLowerCase().split(": "));
  const valuesOf = (name: string) =>
    headers.filter(([known]) => known === `access-control-${name}`).map(([, value]) => value);
  return {
    status: Number(statusLine.split(" ")[1]),
    origin: valuesOf("allow-origin"),
    methods: valuesOf("allow-methods"),
    headers: valuesOf("allow-headers"),
  };
}

/** Every kind of answer that is the proxy's own: what brings it about, and the path that it is the answer to. */
const ownAnswers: Record<string, { status: number; path: (connections: Connections) => Promise<string> }> = {
  "no backend": { status: 404, path: async () => `/${backendId}/x/` },
  "no path of a backend's": { status: 404, path: async () => "/favicon.ico" },
  "a backend whose end is remembered": {
    status: 410,
    async path({ ended }) {
      ended.add(backendId);
      return `/${backendId}/x/`;
    },
  },
  "a backend that has ended": {
    status: 410,
    async path(connections) {
      connections.serve(1).enter("terminated", { reason: "swept" });
      return connections.path();
    },
  },
  "no token": {
    status: 401,
    async path(connections) {
      connections.serve(1);
      return `/${backendId}/`;
    },
  },
  "no token in a header": {
    status: 401,
    async path(connections) {
      connections.serve(1, { require_bearer_token: true });
      return `/${backendId}/x`;
    },
  },
  "a token that is not good": {
    status: 401,
    async path(connections) {
      connections.serve(1);
      return `/${backendId}/x/`;
    },
  },
  "no keys to check a token with": {
    status: 503,
    async path(connections) {
      connections.serve(1);
      connections.loseKeys();
      return `${await connections.path()}/`;
    },
  },
  "a backend that is not ready": {
    status: 503,
    async path(connections) {
      connections.backends.set(backendId, testBackend(null));
      return `${await connections.path()}/`;
    },
  },
  "a backend that breaks off": {
    status: 502,
    async path(connections) {
      const { port } = await startHttpBackend((request) => request.socket.destroy());
      connections.serve(port);
      return `${await connections.path()}/`;
    },
  },
  "a failure of the proxy itself": {
    status: 500,
    async path(connections) {
      connections.backends.get = () => {
        throw new Error("a bug");
      };
      return `/${backendId}/x/`;
    },
  },
};

test.for(Object.entries(ownAnswers))(
  "an answer of the proxy's own can be read by every page: %s",
  async ([, { status, path }]) => {
    const connections = await startConnections({ connectionWaitMs: 20 });
    const target = await path(connections);
    const all = { origin: ["*"], methods: ["*"], headers: ["*, authorization"] };
    for (const method of ["GET", "POST", "OPTIONS"]) {
      expect(await send(connections, `${method} ${target}`, page)).toEqual({ status, ...all });
    }
    expect(await send(connections, `GET ${target}`, upgrade)).toEqual({ status, ...all });
    // Else the browser would not send the request itself, and the page could not read why.
    expect(await send(connections, `OPTIONS ${target}`, preflight)).toEqual({ status: 204, ...all });
  },
);

test("a redirect and a refused body can be read by every page, and a preflight of either is permitted", async () => {
  const connections = await startConnections();
  connections.serve(1);
  const path = await connections.path();
  expect(await send(connections, `GET ${path}`, page)).toMatchObject({ status: 307, origin: ["*"] });
  expect(await send(connections, `OPTIONS ${path}`, preflight)).toMatchObject({ status: 204, origin: ["*"] });
  const coded = "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n";
  expect(await send(connections, `POST ${path}/`, coded)).toMatchObject({ status: 501, origin: ["*"] });
});

test("a head that is too large, and a request that is none, are answered so that every page can read it", async () => {
  const connections = await startConnections();
  const { port } = await startHttpBackend((request) => request.resume());
  connections.serve(port);
  const path = await connections.path();
  const large = `X-Large: ${"x".repeat(40_000)}\r\n`;
  expect(await send(connections, `GET ${path}/`, large)).toMatchObject({ status: 431, origin: ["*"] });
  expect(await send(connections, `GET ${path}/`, "nonsense\r\n")).toMatchObject({
    status: 400,
    origin: ["*"],
  });
  const brokenBody = "Transfer-Encoding: chunked\r\n\r\nnonsense\r\n";
  expect(await send(connections, `POST ${path}/`, brokenBody)).toMatchObject({ status: 400, origin: ["*"] });
});

test("what follows an answer that has begun is not answered into it", async () => {
  const { port } = await startHttpBackend((_request, response) => response.write("begun"));
  const connections = await startConnections();
  connections.serve(port);
  const client = await connectRaw(connections.port);
  client.write(`GET ${await connections.path()}/ HTTP/1.1\r\nHost: x\r\n\r\n`);
  await eventually(client.received).toContain("begun");
  client.write("nonsense\r\n\r\n");
  expect((await client.ended()).text).toMatch(/begun\r\n$/);
});

test("a backend's own answers stay what they are where they say who may read them, and else every page may", async () => {
  const said: Record<string, Record<string, string>> = {
    "/origin": { "Access-Control-Allow-Origin": "https://app.example" },
    "/methods": { "access-control-allow-methods": "GET" },
    "/headers": { "Access-Control-Allow-Headers": "x-own" },
    "/none": {},
  };
  const backend = await startHttpBackend((request, response) => {
    response.writeHead(request.method === "OPTIONS" ? 200 : 418, said[request.url ?? ""]).end();
  });
  backend.server.on("upgrade", (request, socket) => {
    const headers = Object.entries(said[request.url ?? ""] ?? {}).map(([name, value]) => `${name}: ${value}`);
    socket.end(["HTTP/1.1 418 No", ...headers, "Content-Length: 0", "", ""].join("\r\n"));
  });
  const connections = await startConnections();
  connections.serve(backend.port);
  const path = await connections.path();
  const none = { origin: [], methods: [], headers: [] };
  for (const [target, own] of [
    ["/origin", { ...none, origin: ["https://app.example"] }],
    ["/methods", { ...none, methods: ["get"] }],
    ["/headers", { ...none, headers: ["x-own"] }],
    ["/none", { origin: ["*"], methods: ["*"], headers: ["*, authorization"] }],
  ] as const) {
    expect(await send(connections, `GET ${path}${target}`, page)).toEqual({ status: 418, ...own });
    expect(await send(connections, `OPTIONS ${path}${target}`, preflight)).toEqual({ status: 200, ...own });
    expect(await send(connections, `GET ${path}${target}`, upgrade)).toEqual({ status: 418, ...own });
  }
});
