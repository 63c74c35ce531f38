import { once } from "node:events";
import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { text } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { z } from "zod";
import { connectBody } from "../../../src/protocol/jamsocket/v2.ts";
import { blocksOf, read } from "../../support/documents/markdown.ts";
import { startNginx } from "../../support/nginx.ts";
import { share } from "../../support/shared.ts";
import { backendId, startConnections, startHttpBackend } from "../support/connections.ts";

share({ programs: ["nginx"], start: async () => undefined });

/** Linux alone has all of 127.0.0.0/8: a client that is not the proxy. */
const client = process.platform === "linux" ? "127.0.0.9" : "127.0.0.1";
const host = `${backendId}.eu.example.com`;

/** The example of the agent's guide as it stands there, but for where it listens, where the agent is, and the certificate. */
function exampleConfig(port: number, agentPort: number): string {
  const [example, ...others] = blocksOf(read("src/agent/README.md")).filter(
    ({ language }) => language === "nginx",
  );
  expect(others).toEqual([]);
  let config = example?.text ?? "";
  for (const [line, replacement] of [
    [/^ *listen 443 ssl;$/m, `listen 127.0.0.1:${port};`],
    [/^ *ssl_certificate +\S+;$/m, ""],
    [/^ *ssl_certificate_key +\S+;$/m, ""],
    [/http:\/\/127\.0\.0\.1:8790;/, `http://127.0.0.1:${agentPort};`],
  ] as const) {
    expect(config).toMatch(line);
    config = config.replace(line, replacement);
  }
  return config;
}

/** A backend that says what it gets, in HTTP and as the first message of a WebSocket, behind an agent and nginx. */
async function startFront() {
  const seen = ({ url, headers }: { url?: string | undefined; headers: IncomingHttpHeaders }) =>
    JSON.stringify({ url, headers });
  const backend = await startHttpBackend(async (request, response) => {
    const length = (await text(request)).length;
    if (request.url === "/cookies") response.setHeader("set-cookie", "x".repeat(12_000));
    response.setHeader("x-body-length", length).end(seen(request));
  });
  const sockets = new WebSocketServer({ server: backend.server });
  sockets.on("connection", (socket, request) => {
    socket.send(seen(request));
    socket.on("message", (data) => socket.send(String(data)));
  });
  const connections = await startConnections({ backendDomain: "eu.example.com" });
  connections.serve(backend.port);
  const port = await startNginx((listening) => exampleConfig(listening, connections.port));
  return {
    port,
    token: connections.token,
    async get(path: string, headers: Record<string, string> = {}, body?: string) {
      const method = body === undefined ? "GET" : "POST";
      const request = httpRequest({
        ...{ host: "127.0.0.1", port, localAddress: client, path, method },
        headers: { host, ...headers },
      });
      request.end(body);
      const [response] = await once(request, "response");
      return { status: response.statusCode, headers: response.headers, body: await text(response) };
    },
  };
}

const received = z.object({ url: z.string(), headers: z.record(z.string(), z.string()) });

/** What a client may claim, none of which is true. */
const forged = Object.fromEntries(
  [
    ...["For", "Proto", "Host", "Port", "Server", "Prefix", "Ssl", "Scheme", "Protocol", "Uri", "Method"],
    ...["User", "Email", "Groups", "Preferred-Username", "Access-Token", "Client-Cert"],
  ].map((name) => [`X-Forwarded-${name}`, "forged"]),
);
Object.assign(forged, {
  "X-Real-IP": "forged",
  Forwarded: "for=forged",
  x_forwarded_for: "forged",
  x_real_ip: "forged",
  "X-Verified-Username": "forged",
  "X-Verified-Secret": "forged",
});

/** What a backend is to see of its client, whatever that claims. */
const truth = {
  "x-real-ip": client,
  "x-forwarded-for": `${client}, 127.0.0.1`,
  "x-forwarded-proto": "http",
  "x-forwarded-host": host,
  host,
};

test("nginx as the guide has it passes on where a client really is, and nothing that the client says of that", async () => {
  const front = await startFront();
  const token = await front.token({ user: "ada" });
  const answer = received.parse(JSON.parse((await front.get(`/${token}/a?b`, forged)).body));
  expect(answer).toMatchObject({ url: "/a?b", headers: { ...truth, "x-verified-username": "ada" } });
  expect(JSON.stringify(answer)).not.toContain("forged");

  const socket = new WebSocket(`ws://127.0.0.1:${front.port}/${token}/ws`, {
    headers: { host, ...forged },
    localAddress: client,
  });
  onTestFinished(() => socket.terminate());
  const [first] = await once(socket, "message");
  const opened = received.parse(JSON.parse(String(first)));
  expect(opened).toMatchObject({ url: "/ws", headers: { ...truth, "x-verified-username": "ada" } });
  expect(JSON.stringify(opened)).not.toContain("forged");
  socket.send("and back");
  const [second] = await once(socket, "message");
  expect(String(second)).toBe("and back");
});

test("nginx as the guide has it lets the longest token pass, many cookies, a body of megabytes, and the agent's own answers", async () => {
  const front = await startFront();
  const longest = { user: "x".repeat(1000), auth: { a: "x".repeat(2970) } };
  expect(connectBody.safeParse(longest).success).toBe(true);
  const token = await front.token(longest);
  const answer = await front.get(`/${token}/`, {}, "x".repeat(5_000_000));
  expect(answer).toMatchObject({ status: 200, headers: { "x-body-length": "5000000" } });
  expect((await front.get(`/${token}/cookies`)).status).toBe(200);
  const refused = await front.get("/nonsense/", { accept: "application/json" });
  expect(refused).toMatchObject({ status: 401, headers: { "access-control-allow-origin": "*" } });
});
