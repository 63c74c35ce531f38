import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import {
  backendId,
  type Connections,
  startConnections,
  startHttpBackend,
  testBackend,
} from "../support/connections.ts";

/** What a client is answered, as a page, as JSON and to the upgrade of a WebSocket. */
async function answersOf(connections: Connections, path: string) {
  const head = (accept: string, more = "") =>
    `GET ${path} HTTP/1.1\r\nHost: x\r\nAccept: ${accept}\r\nConnection: ${more || "close"}\r\n\r\n`;
  const send = async (message: string) => {
    const socket = connect(connections.port, "127.0.0.1");
    socket.write(message);
    const answer = await text(socket);
    const end = answer.indexOf("\r\n\r\n");
    return {
      status: Number(answer.split(" ")[1]),
      head: answer.slice(0, end).toLowerCase(),
      body: answer.slice(end + 4),
    };
  };
  const upgrade = "Upgrade\r\nUpgrade: websocket";
  return Promise.all([
    send(head("text/html,*/*;q=0.8")),
    send(head("application/json")),
    send(head("text/html", upgrade)),
    send(head("application/json", upgrade)),
  ]);
}

async function expectRefusal(
  connections: Connections,
  path: string,
  { status, code, words, retryAfter }: { status: number; code: string; words: string; retryAfter?: string },
) {
  const [page, json, upgradePage, upgradeJson] = await answersOf(connections, path);
  for (const { head, status: got } of [page, json, upgradePage, upgradeJson]) {
    expect(got).toBe(status);
    expect(head).toContain("cache-control: no-store");
    if (retryAfter === undefined) expect(head).not.toContain("retry-after");
    else expect(head).toContain(`retry-after: ${retryAfter}`);
  }
  for (const { head, body } of [page, upgradePage]) {
    expect(head).toContain("content-type: text/html; charset=utf-8");
    expect(body).toContain(words);
    expect(body).toContain('<meta name="color-scheme" content="light dark">');
    expect(Buffer.byteLength(body)).toBeLessThan(2000);
  }
  for (const { head, body } of [json, upgradeJson]) {
    expect(head).toMatch(/content-type: application\/json(\r|$)/);
    const { error } = JSON.parse(body);
    expect(error).toMatchObject({ status, code });
    expect(error.message).toContain(words);
  }
  return { page, json };
}

test("a refusal is a small page or JSON, to a request and to the upgrade of a WebSocket", async () => {
  const connections = await startConnections();
  const path = `${await connections.path()}/`;
  await expectRefusal(connections, path, {
    status: 404,
    code: "backend_not_found",
    words: "no backend runs",
  });

  const closed = await startHttpBackend(() => undefined);
  connections.serve(closed.port);
  await new Promise((resolve) => closed.server.close(resolve));
  await expectRefusal(connections, path, {
    status: 502,
    code: "backend_unreachable",
    words: "not be reached",
  });
  await expectRefusal(connections, `/${backendId}/x/`, {
    status: 401,
    code: "unauthorized",
    words: "token is not good",
  });
});

test("a refusal for now, since the backend is not ready in time, says when to come again", async () => {
  const connections = await startConnections({ connectionWaitMs: 20 });
  connections.backends.set(backendId, testBackend(null));
  await expectRefusal(connections, `${await connections.path()}/`, {
    status: 503,
    code: "unavailable",
    words: "still starting",
    retryAfter: "1",
  });
});

test("a connection to a backend that has ended is answered at once with its status and the reason, even without a token", async () => {
  const connections = await startConnections();
  connections.serve(1).enter("terminated", { reason: "swept" });
  for (const path of [`${await connections.path()}/`, `/${backendId}/x/`]) {
    const { json } = await expectRefusal(connections, path, {
      status: 410,
      code: "backend_ended",
      words: "this backend has ended (terminated, reason swept)",
    });
    expect(JSON.parse(json.body).error).toMatchObject({
      backend_status: "terminated",
      termination_reason: "swept",
    });
  }
});

test("a request that waits goes on as soon as its backend is ready", async () => {
  const { port } = await startHttpBackend((_request, response) => response.end("here"));
  const connections = await startConnections({ connectionWaitMs: 600_000 });
  const backend = testBackend(null);
  connections.backends.set(backendId, backend);
  const waiting = waitingOf(backend);
  const response = fetch(`${connections.url}${await connections.path()}/`);
  await waiting;
  backend.enter("ready", { port });
  expect(await (await response).text()).toBe("here");
});

test("a request that waits is answered as soon as its backend begins to end, with the reason", async () => {
  const connections = await startConnections({ connectionWaitMs: 600_000 });
  const backend = testBackend(null);
  connections.backends.set(backendId, backend);
  const waiting = waitingOf(backend);
  const response = fetch(`${connections.url}${await connections.path()}/`);
  await waiting;
  backend.enter("hard-terminating", { reason: "startuptimeout" });
  const answered = await response;
  expect(answered.status).toBe(410);
  expect(await answered.text()).toContain("this backend is ending (hard-terminating, reason startuptimeout)");
});

test("a backend that is terminating is served until it has ended", async () => {
  const { port } = await startHttpBackend((_request, response) => response.end("still here"));
  const connections = await startConnections();
  connections.serve(port).enter("terminating", { reason: "external" });
  const response = await fetch(`${connections.url}${await connections.path()}/`);
  expect(await response.text()).toBe("still here");
});

/** Resolves when somebody waits for a backend to become ready. */
function waitingOf(backend: ReturnType<typeof testBackend>): Promise<void> {
  const { whenReady } = backend;
  return new Promise((resolve) => {
    backend.whenReady = (ms) => {
      resolve();
      return whenReady(ms);
    };
  });
}
