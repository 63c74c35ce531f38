import { randomUUID } from "node:crypto";
import { get, type IncomingMessage } from "node:http";
import { setImmediate } from "node:timers/promises";
import { expect, onTestFinished, test, vi } from "vitest";
import packageJson from "../../../package.json" with { type: "json" };
import { type OutputOptions, outputEndpoints } from "../../../src/agent/server/output-endpoints.ts";
import { listen } from "../../../src/agent/server/server.ts";
import { webhookVerifier } from "../../../src/agent/server/webhook-verification.ts";
import { usageSample } from "../../../src/protocol/backend-metrics.ts";
import { dataLines } from "../../../src/protocol/sse-lines.ts";
import { formatSigningSecret, signedGetId } from "../../../src/protocol/webhooks/signature.ts";
import { signatureHeaders, signingSecret, startCluster } from "../support/cluster.ts";
import type { Delivery } from "../support/deliveries.ts";
import { eventually } from "../support/eventually.ts";
import { gate } from "../support/gate.ts";

type Kind = "logs" | "metrics";

/** The headers of a request as Slipway signs it. */
function headersFor(id: string, kind: Kind, changes: Delivery = {}) {
  return signatureHeaders("", { id: signedGetId(`/backends/${id}/${kind}`, randomUUID()), ...changes });
}

/** Asks as Slipway does. */
function requestOutput(
  agentUrl: string,
  id: string,
  kind: Kind,
  headers: Record<string, string> = headersFor(id, kind),
): Promise<Response> {
  return fetch(`${agentUrl}/webhook/backends/${id}/${kind}`, { headers });
}

/** The data of the stream's events, as they come. */
async function* eventsOf(response: Response): AsyncGenerator<string> {
  const lines = dataLines(100_000);
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) yield* lines.push(decoder.decode(chunk, { stream: true }));
}

async function allEventsOf(response: Response): Promise<string[]> {
  const events: string[] = [];
  for await (const event of eventsOf(response)) events.push(event);
  return events;
}

async function messageOf(response: Response): Promise<unknown> {
  expect(response.headers.get("content-type")).toBe("application/json");
  const body: unknown = await response.json();
  expect(body).toEqual({ error: { message: expect.any(String) } });
  return JSON.stringify(body);
}

const otherSecret = formatSigningSecret(new Uint8Array(32).fill(9));
const unknownId = "k3f9qzzzzzzzz";

test("the logs of a backend are its lines so far and then as it prints them, until it ends", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawnReady();
  await cluster.get(id, "/print?before");
  const response = await requestOutput(cluster.agent.url, id, "logs");
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  const events = eventsOf(response);
  expect((await events.next()).value).toBe("before");
  await cluster.get(id, "/print?after");
  expect((await events.next()).value).toBe("after");
  await cluster.terminate(id, true);
  expect((await events.next()).done).toBe(true);
});

test("a backend that has printed nothing yet is answered at once", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawnReady();
  const response = await requestOutput(cluster.agent.url, id, "logs");
  expect(response.status).toBe(200);
  await response.body?.cancel();
});

test("the logs of a backend that has ended are what it printed last", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawn("print-and-exit");
  await cluster.end(id);
  const lines = await allEventsOf(await requestOutput(cluster.agent.url, id, "logs"));
  expect(lines.sort()).toEqual(["first", "last", "second"]);
});

test("the metrics of a backend are samples of what it uses", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawnReady();
  const response = await requestOutput(cluster.agent.url, id, "metrics");
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  const events = eventsOf(response);
  for (let samples = 0; samples < 2; samples++) {
    const sample = usageSample.strict().parse(JSON.parse((await events.next()).value ?? ""));
    expect(sample.mem_used).toBeGreaterThan(1_000_000);
    expect(sample.sys_cpu).toBeGreaterThanOrEqual(sample.cpu_used);
  }
  await cluster.terminate(id, true);
  for await (const event of events) usageSample.parse(JSON.parse(event));
});

test("a backend that this agent does not know is 404", async () => {
  const cluster = await startCluster();
  for (const id of [unknownId, "x", "..%2f..%2fetc", "K3F9Q00000001"]) {
    for (const kind of ["logs", "metrics"] as const) {
      const response = await requestOutput(cluster.agent.url, id, kind);
      expect(response.status).toBe(404);
      expect(await messageOf(response)).toContain("not known here");
    }
  }
});

test("what is not signed as Slipway signs is 401, whatever the backend", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawnReady();
  const minuteMs = 60_000;
  const refusedFor = (requested: string): Record<string, string>[] => {
    const webhookId = signedGetId(`/backends/${requested}/logs`, randomUUID());
    return [
      {},
      { authorization: "Bearer acme_0123456789ab.secret" },
      headersFor(requested, "logs", { secret: otherSecret }),
      signatureHeaders("{}", { id: webhookId }),
      headersFor(requested, "logs", { sentAt: new Date(Date.now() - 6 * minuteMs) }),
      headersFor(requested, "logs", { sentAt: new Date(Date.now() + 6 * minuteMs) }),
      { ...headersFor(requested, "logs"), "webhook-id": webhookId },
    ];
  };
  for (const requested of [id, unknownId]) {
    for (const headers of refusedFor(requested)) {
      const response = await fetch(`${cluster.agent.url}/webhook/backends/${requested}/logs`, { headers });
      expect(response.status).toBe(401);
      expect(await messageOf(response)).toContain("signature");
    }
  }
});

test("the headers of one request open no other output", async () => {
  const cluster = await startCluster();
  const [id, other] = [await cluster.spawnReady(), await cluster.spawnReady()];
  const headers = headersFor(id, "logs");
  for (const [requested, kind] of [
    [other, "logs"],
    [id, "metrics"],
    [unknownId, "logs"],
  ] as const) {
    const response = await requestOutput(cluster.agent.url, requested, kind, headers);
    expect(response.status).toBe(401);
    expect(await messageOf(response)).toContain("another request");
  }
  for (const id of ["GET:", "GET:/backends", `GET:/backends/${other}/log`, `msg_${randomUUID()}`, "get_x"]) {
    const signed = signatureHeaders("", { id });
    expect((await requestOutput(cluster.agent.url, other, "logs", signed)).status).toBe(401);
  }
  const opened = await requestOutput(cluster.agent.url, id, "logs", headers);
  expect(opened.status).toBe(200);
  await opened.body?.cancel();
});

test("a control plane of 0.1.0, which signs no path, is answered all the same", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawnReady();
  const former = signatureHeaders("", { id: `get_${randomUUID()}` });
  const response = await requestOutput(cluster.agent.url, id, "logs", former);
  expect(response.status).toBe(200);
  await response.body?.cancel();
});

test("… until 0.3.0", () => {
  expect(packageJson.version).toMatch(/^0\.[12]\./);
});

test("while a secret is rotated, a signature by either is good", async () => {
  const cluster = await startCluster({ signingSecrets: [otherSecret, signingSecret] });
  const id = await cluster.spawnReady();
  for (const secret of [otherSecret, signingSecret]) {
    const response = await requestOutput(cluster.agent.url, id, "logs", headersFor(id, "logs", { secret }));
    expect(response.status).toBe(200);
    await response.body?.cancel();
  }
});

test("output is requested with GET only", async () => {
  const cluster = await startCluster();
  const url = `${cluster.agent.url}/webhook/backends/${unknownId}/logs`;
  const response = await fetch(url, { method: "POST", headers: signatureHeaders("") });
  expect([response.status, response.headers.get("allow")]).toEqual([405, "GET"]);
});

test("an agent that closes ends the streams that it serves", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawnReady();
  const responses = await Promise.all([
    requestOutput(cluster.agent.url, id, "logs"),
    requestOutput(cluster.agent.url, id, "metrics"),
  ]);
  const ends = responses.map((response) => allEventsOf(response).catch(() => "broken off"));
  await cluster.agent.close();
  await Promise.all(ends);
});

/** An agent's server on backends that print what a test says. */
async function serve(options: Partial<OutputOptions>) {
  const events: string[] = [];
  const log = (event: string) => void events.push(event);
  const output = outputEndpoints({
    verify: webhookVerifier([signingSecret]),
    backends: { logs: () => null, stats: () => null },
    log,
    ...options,
  });
  const unused = () => Promise.reject(new Error("not requested"));
  const server = await listen({ host: "127.0.0.1", port: 0 }, () => ({
    webhook: () => ({ status: 404 }),
    health: () => ({ status: 404 }),
    output,
    proxy: { request: unused, upgrade: unused, ownsHost: () => false },
    look: () => undefined,
    log,
  }));
  onTestFinished(() => server.close());
  return { url: server.url, events };
}

/** Backends whose logs are these lines. */
function printing(lines: (signal: AbortSignal) => AsyncIterable<string>): OutputOptions["backends"] {
  return { logs: (_id, signal) => lines(signal), stats: () => null };
}

/** An answer that is not read until the test reads it. */
function answerOf(url: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = get(
      `${url}/webhook/backends/${unknownId}/logs`,
      { headers: headersFor(unknownId, "logs") },
      resolve,
    );
    request.once("error", reject);
    onTestFinished(() => void request.destroy());
  });
}

test("a line that holds carriage returns is as many events, and none breaks the framing", async () => {
  async function* lines() {
    yield "10%\r20%\r\n\r\ndata: x";
    yield "\ud800 lone";
    yield "";
  }
  const { url } = await serve({ backends: printing(lines) });
  const text = await (await requestOutput(url, unknownId, "logs")).text();
  expect(text).toBe("data: 10%\n\ndata: 20%\n\ndata: \n\ndata: data: x\n\ndata: \ufffd lone\n\ndata: \n\n");
});

test("a reader that stops reading holds the backend's output back", async () => {
  let made = 0;
  async function* endless() {
    for (;;) {
      if (++made % 100 === 0) await setImmediate();
      yield "x".repeat(1000);
    }
  }
  const { url } = await serve({ backends: printing(endless) });
  const response = await answerOf(url);
  let before = -1;
  await vi.waitFor(
    () => {
      const held = made === before;
      before = made;
      expect(held).toBe(true);
    },
    { timeout: 20_000, interval: 50 },
  );
  expect(made).toBeLessThan(64_000);
  response.resume();
  await eventually(() => made).toBeGreaterThan(before + 1000);
});

test("whoever leaves ends the reading of the backend's output, also while nothing is printed", async () => {
  const received: AbortSignal[] = [];
  const silence = gate();
  async function* silent(signal: AbortSignal) {
    received.push(signal);
    yield "one line";
    await silence.opened;
  }
  const { url } = await serve({ backends: printing(silent) });
  const response = await answerOf(url);
  await eventually(() => received.length).toBe(1);
  expect(received[0]?.aborted).toBe(false);
  response.destroy();
  await eventually(() => received[0]?.aborted).toBe(true);
  silence.open();
});

test("output that fails breaks the stream off, and is logged", async () => {
  async function* failing() {
    yield "one line";
    throw new Error("the disk is gone");
  }
  const { url, events } = await serve({ backends: printing(failing) });
  await expect(allEventsOf(await requestOutput(url, unknownId, "logs"))).rejects.toThrow();
  expect(events).toContain("output.failed");
});

test("beyond so many streams at once the next is 503 with Retry-After, until one ends", async () => {
  const silence = gate();
  async function* silent() {
    yield "one line";
    await silence.opened;
  }
  const { url } = await serve({ backends: printing(silent), streamsAtMost: 2 });
  const first = await answerOf(url);
  await answerOf(url);
  const refused = await requestOutput(url, unknownId, "logs");
  expect(refused.status).toBe(503);
  expect(refused.headers.get("retry-after")).toMatch(/^\d+$/);
  expect(await messageOf(refused)).toContain("2 streams");
  first.destroy();
  await vi.waitFor(
    async () => {
      const response = await answerOf(url);
      expect(response.statusCode).toBe(200);
    },
    { timeout: 20_000 },
  );
  silence.open();
});

test("refusals do not count as streams", async () => {
  const { url } = await serve({ streamsAtMost: 1 });
  for (let times = 0; times < 3; times++) {
    expect((await requestOutput(url, unknownId, "logs")).status).toBe(404);
    expect((await requestOutput(url, unknownId, "logs", signatureHeaders("{}"))).status).toBe(401);
  }
});
