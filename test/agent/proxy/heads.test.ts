import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { backendId, startConnections, startHttpBackend } from "../support/connections.ts";
import { exchangeRaw } from "../support/raw-http.ts";

const kibibyte = 1024;
const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";

/** The head of an answer, of so many bytes with its last line. */
function headOf(statusLine: string, bytes: number, lineBytes: number): string {
  const begun = `HTTP/1.1 ${statusLine}\r\n`;
  const lines: string[] = [];
  for (let left = bytes - begun.length - "\r\n".length; left > 0; ) {
    // What is left after a line must do for another one.
    const size = left < 2 * lineBytes ? left : lineBytes;
    const name = `x-${lines.length}: `;
    lines.push(`${name}${"x".repeat(size - name.length - "\r\n".length)}\r\n`);
    left -= size;
  }
  return `${begun}${lines.join("")}\r\n`;
}

/** A backend behind the proxy that answers everything with one head. */
async function answering(head: string) {
  const backend = await startHttpBackend((request) => request.socket.end(head, "latin1"));
  backend.server.on("upgrade", (_request, socket) => {
    // The proxy breaks off what it takes no more of.
    socket.on("error", () => undefined);
    socket.end(head, "latin1");
  });
  const connections = await startConnections();
  connections.serve(backend.port);
  const path = await connections.path();
  return (more: string) => exchangeRaw(connections.port, `GET ${path}/ HTTP/1.1\r\nHost: x\r\n${more}\r\n`);
}

const kinds = [
  ["to a request", "200 OK", "Connection: close\r\n"],
  ["that refuses a WebSocket", "403 Forbidden", upgrade],
  ["that opens a WebSocket", "101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket", upgrade],
] as const;

test.for(
  kinds.flatMap(
    ([kind, statusLine, more]) =>
      [
        [kind, "one long line", statusLine, more, 65_000],
        [kind, "5,000 lines", statusLine, more, 13],
      ] as const,
  ),
)("an answer %s with a head of 64 KiB passes, of %s", async ([, , statusLine, more, lineBytes]) => {
  const head = headOf(statusLine, 64 * kibibyte, lineBytes);
  expect(head).toHaveLength(64 * kibibyte);
  const answer = await (await answering(head))(more);
  expect(answer).toContain(`HTTP/1.1 ${statusLine.slice(0, 3)} `);
  for (const line of head.match(/^x-.*$/gm) ?? []) expect(answer.includes(`\r\n${line}\r\n`)).toBe(true);
});

test.for(kinds)("an answer %s with a longer head is 502", async ([, statusLine, more]) => {
  const send = await answering(headOf(statusLine, 80 * kibibyte, 4000));
  expect(await send(more)).toMatch(/^HTTP\/1\.1 502 /);
});

test("a request with an Upgrade that cannot be one is a request, with its body, whatever the method", async () => {
  const backend = await startHttpBackend(async (request, response) => {
    response.end(`${request.method} ${request.headers.upgrade} ${await text(request)}`);
  });
  const connections = await startConnections();
  connections.serve(backend.port);
  const path = await connections.path();
  for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
    for (const to of ["websocket", "h2c"]) {
      const head = `${method} ${path}/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: ${to}\r\n`;
      const answer = await exchangeRaw(connections.port, `${head}Content-Length: 5\r\n\r\nhello`);
      expect(answer).toMatch(/^HTTP\/1\.1 200 /);
      expect(answer.endsWith(`${method} undefined hello`)).toBe(true);
    }
  }
});

const domain = "prod.example.com";
const ownHost = `${backendId}.${domain}`;

test("a target in absolute form is its path on its host, whatever the Host header says", async () => {
  const backend = await startHttpBackend((request, response) => {
    response.end(
      JSON.stringify({
        url: request.url,
        host: request.rawHeaders.filter((_, i, all) => /^host$/i.test(all[i - 1] ?? "")),
      }),
    );
  });
  backend.server.on("upgrade", (request, socket) => {
    socket.end(`HTTP/1.1 403 No\r\nContent-Length: ${request.url?.length}\r\n\r\n${request.url}`);
  });
  const connections = await startConnections({ backendDomain: domain });
  connections.serve(backend.port);
  const token = await connections.token();
  const send = async (target: string, more = "Connection: close\r\n", host = "other") => {
    const head = `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n${more}\r\n`;
    const answer = await exchangeRaw(connections.port, head);
    return {
      status: Number(answer.split(" ")[1]),
      answer,
      body: answer.slice(answer.indexOf("\r\n\r\n") + 4),
    };
  };
  for (const [target, host, url] of [
    [`http://agent.example:80/${backendId}/${token}/a?b=/`, "agent.example:80", "/a?b=/"],
    [`HTTPS://${ownHost}/${token}/webhook`, ownHost, "/webhook"],
  ] as const) {
    const { status, body } = await send(target);
    expect([status, JSON.parse(body)]).toEqual([200, { url, host: [host] }]);
    expect(await send(target, upgrade)).toMatchObject({ status: 403, body: url });
  }
  expect((await send("http://agent.example/healthz", undefined, ownHost)).body).toBe('{"status":"ok"}');
  expect((await send(`http://${ownHost}?x`, undefined, "127.0.0.1")).status).toBe(401);
  for (const target of ["http:///healthz", "http://a@b/healthz", "ftp://a/healthz", "//a/healthz"]) {
    expect((await send(target)).status).toBe(404);
  }
});
