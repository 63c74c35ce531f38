import { Webhook } from "standardwebhooks";
import { describe, expect, vi } from "vitest";
import { z } from "zod";
import { metricsOf, reframedEvents } from "../../../src/edge/streams/backend-output.ts";
import { openClusterStream } from "../../../src/edge/streams/cluster-stream.ts";
import { connectAnswer } from "../../../src/protocol/jamsocket/v2.ts";
import { environment } from "../../../src/protocol/v3/services.ts";
import { isSignedGetOf } from "../../../src/protocol/webhooks/signature.ts";
import {
  call,
  createAccount,
  createCluster,
  createService,
  createToken,
  refusal,
  send,
  type TestAccount,
} from "../../support/worker/api.ts";
import type { ScriptedCluster } from "../../support/worker/scripted-cluster.ts";
import { clusterTest } from "../../support/worker/worker-test.ts";

let account: TestAccount;
let signingSecret: string;
let agent: string;
let id: string;

const test = clusterTest
  /** The requests for streams that the cluster has received. */
  .extend("requests", (): Request[] => [])
  /** Has the cluster answer with a stream of server-sent events from now on. */
  .extend("clusterStreams", ({ cluster, requests }) => (body: BodyInit) => {
    cluster.alwaysStreams((request) => {
      requests.push(request);
      return new Response(body, { headers: { "content-type": "text/event-stream; charset=utf-8" } });
    });
  });

test.beforeAll(async ({ cluster: _ }) => {
  account = await createAccount();
  const created = await createCluster(account);
  signingSecret = created.signing_secret;
  agent = created.agent_token;
  const service = await createService(account);
  const { admin } = account;
  const json = { digest: `sha256:${"a".repeat(64)}`, tag: "latest" };
  await call(z.looseObject({}), `${service}/images`, { token: admin, json });
  await call(environment, `${service}/environments`, { token: admin, json: { name: "prod" } });
  id = await startBackend();
});

async function startBackend(): Promise<string> {
  const path = `/v2/service/${account.name}/hello/prod/connect`;
  const connected = await call(connectAnswer, path, { token: account.admin, json: {} });
  return connected.backend_id;
}

const encoder = new TextEncoder();

function streamOf(chunks: readonly Uint8Array[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
}

/** The chunks that a cluster's stream becomes. */
async function reframed(chunks: readonly Uint8Array[], rewrite = (line: string): string | null => line) {
  const sent: string[] = [];
  for await (const chunk of reframedEvents(new Response(streamOf(chunks)), rewrite)) {
    sent.push(new TextDecoder().decode(chunk));
  }
  return sent;
}

const logPaths = ["/backend/:id/logs", "/v1/backend/:id/logs", "/v2/backend/:id/logs/stream"];
const sample = { mem_used: 1024, mem_available: 2048, cpu_used: 5, sys_cpu: 100 };

describe("the logs of a backend", () => {
  test.for(logPaths)("are streamed through at %s, a line an event", async (path, { clusterStreams }) => {
    clusterStreams(": hello\n\ndata: first line\n\ndata:\n\ndata: data: third\r\n\r\n");
    const response = await send(path.replace(":id", id), { token: account.admin });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    expect(response.headers.get("cache-control")).toContain("no-transform");
    expect(response.headers.get("x-request-id")).toMatch(/./);
    expect(await response.text()).toBe("data: first line\n\ndata: \n\ndata: data: third\n\n");
  });

  test("are requested below the cluster's webhook, with a signature that standardwebhooks verifies", async ({
    clusterStreams,
    requests,
  }) => {
    clusterStreams("data: x\n\n");
    for (let times = 0; times < 2; times++) {
      await (await send(`/v2/backend/${id}/logs/stream`, { token: account.admin })).text();
    }
    const webhook = new Webhook(signingSecret);
    for (const request of requests) {
      expect([request.method, request.url]).toEqual(["GET", `https://cluster.test/hook/backends/${id}/logs`]);
      expect(request.redirect).toBe("manual");
      expect(request.headers.get("accept")).toBe("text/event-stream");
      expect(request.headers.get("accept-encoding")).toBe("identity");
      const headers = Object.fromEntries(request.headers);
      expect(() => webhook.verify("", headers, { jsonParse: false })).not.toThrow();
      expect(Object.keys(headers)).not.toContain("authorization");
      expect(Math.abs(Number(headers["webhook-timestamp"]) - Date.now() / 1000)).toBeLessThan(60);
    }
    const ids = requests.map(({ headers }) => headers.get("webhook-id"));
    expect(new Set(ids).size).toBe(2);
    for (const signed of ids) {
      expect(signed).toMatch(new RegExp(`^GET:/backends/${id}/logs:[0-9a-f-]{36}$`));
      expect(isSignedGetOf(`/backends/${id}/logs`, signed ?? "")).toBe(true);
    }
  });

  test("can be read as they come, and the cluster's stream is cancelled when the client leaves", async ({
    cluster,
  }) => {
    let left = false;
    let lines = 0;
    cluster.alwaysStreams(() => {
      const endless = new ReadableStream<Uint8Array>({
        async pull(controller) {
          await scheduler.wait(1);
          lines += 1;
          controller.enqueue(encoder.encode(lines === 1 ? "data: 1\n\nda" : `ta: ${lines}\n\nda`));
        },
        cancel() {
          left = true;
        },
      });
      return new Response(endless, { headers: { "content-type": "text/event-stream" } });
    });
    const response = await send(`/v2/backend/${id}/logs/stream`, { token: account.admin });
    const reader = response.body?.getReader();
    for (const line of ["1", "2", "3"]) {
      expect(new TextDecoder().decode((await reader?.read())?.value)).toBe(`data: ${line}\n\n`);
    }
    await reader?.cancel();
    await vi.waitFor(() => expect(left).toBe(true), { timeout: 5_000 });
  });

  test("are requested when the backend has ended, too: its cluster may have kept them", async ({
    clusterStreams,
    cluster,
  }) => {
    const ended = await startBackend();
    await call(z.looseObject({}), `/v3/agent/backends/${ended}/status`, {
      token: agent,
      json: { status: "terminated", exit_code: 1, fencing_token: fencingTokenOf(cluster, ended) },
    });
    clusterStreams("data: last words\n\n");
    const response = await send(`/v2/backend/${ended}/logs/stream`, { token: account.admin });
    expect(await response.text()).toBe("data: last words\n\n");
  });

  function fencingTokenOf(cluster: ScriptedCluster, backendId: string): number {
    for (const { message } of cluster.of("backend.spawn")) {
      if (message.type === "backend.spawn" && message.data.backend_id === backendId) {
        return message.data.fencing_token;
      }
    }
    throw new Error("this backend was not spawned");
  }
});

describe("what a cluster sends as logs", () => {
  const events = [
    "data: plain\n\n",
    "data: ü 🙂 \u2028\n\n",
    "data: 10%\n\n",
    "data: 20%\n\n",
    "data: end\n\n",
  ];
  const stream = encoder.encode(
    "data: plain\n\n<html>\nevent: terminated\ndata: ü 🙂 \u2028\r\n\r\ndata: 10%\rdata: 20%\r\rid: 7\ndata: end\n\n",
  );

  test("becomes the same whole events, one a chunk, wherever it is cut", async () => {
    expect(await reframed([stream])).toEqual(events);
    for (let at = 0; at <= stream.length; at++) {
      expect(await reframed([stream.slice(0, at), stream.slice(at)])).toEqual(events);
    }
    expect(await reframed(Array.from(stream, (byte) => Uint8Array.of(byte)))).toEqual(events);
  });

  test("may be no UTF-8: what is none is replaced, and the framing holds", async () => {
    const bytes = [...encoder.encode("data: a"), 0xff, 0xed, 0xa0, 0x80, ...encoder.encode("b\n\n")];
    const [event, ...others] = await reframed([Uint8Array.from(bytes)]);
    expect(event).toMatch(/^data: a\ufffd+b\n\n$/);
    expect(others).toEqual([]);
  });

  test("may be a line without an end: it goes on in pieces", async () => {
    const sent = await reframed(
      Array.from({ length: 50 }, (_, i) => encoder.encode(i === 0 ? "data: x" : "y".repeat(1000))),
    );
    expect(sent.length).toBeGreaterThan(1);
    for (const event of sent) {
      expect(event).toMatch(/^data: x?y+\n\n$/);
      expect(event.length).toBeLessThan(17_000);
    }
  });

  test("ends the stream where it breaks off", async () => {
    const broken = new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.error(new Error("connection reset"));
      },
    });
    const chunks = [];
    for await (const chunk of reframedEvents(new Response(broken), (line) => line)) chunks.push(chunk);
    expect(chunks).toEqual([]);
  });

  test("is not read any further while the client does not read", async () => {
    let made = 0;
    const endless = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          made += 1;
          controller.enqueue(encoder.encode(`data: ${made}\n\ndata: again\n\n`));
        },
      },
      { highWaterMark: 0 },
    );
    const reader = reframedEvents(new Response(endless), (line) => line).getReader();
    for (let read = 1; read <= 100; read++) {
      await reader.read();
      expect(made).toBeLessThanOrEqual(read / 2 + 2);
    }
    await reader.cancel();
  });
});

describe("the metrics of a backend", () => {
  test("are streamed through with where they come from, and nothing else that the cluster says", async ({
    clusterStreams,
    requests,
  }) => {
    clusterStreams(
      [
        { ...sample, cluster: "elsewhere", backend_id: "0000000000000", extra: "x".repeat(100) },
        { ...sample, cpu_used: 6.5 },
      ]
        .map((event) => `data: ${JSON.stringify(event)}\n\n`)
        .join(""),
    );
    const response = await send(`/v2/backend/${id}/metrics/stream`, { token: account.admin });
    expect(requests.map(({ url }) => url)).toEqual([`https://cluster.test/hook/backends/${id}/metrics`]);
    const events = (await response.text()).split("\n\n").slice(0, -1);
    const sent = events.map((event) => JSON.parse(event.replace(/^data: /, "")));
    expect(sent).toEqual([
      { cluster: "main", backend_id: id, ...sample },
      { cluster: "main", backend_id: id, ...sample, cpu_used: 6.5 },
    ]);
  });

  test.each([
    "not JSON",
    "null",
    "[]",
    "{}",
    '{"mem_used":"1","mem_available":2,"cpu_used":3,"sys_cpu":4}',
    '{"mem_used":-1,"mem_available":2,"cpu_used":3,"sys_cpu":4}',
    '{"mem_used":1e999,"mem_available":2,"cpu_used":3,"sys_cpu":4}',
    '{"mem_used":1,"mem_available":2,"cpu_used":3}',
  ])("leave out what is no sample: %s", (line) => {
    expect(metricsOf({ id, cluster: "main" })(line)).toBeNull();
  });
});

describe("a cluster that gives no stream", () => {
  const logs = () => refusal(`/v2/backend/${id}/logs/stream`, { token: account.admin });
  const answering =
    (status: number, headers: Record<string, string>, body: string | null = null) =>
    () =>
      new Response(body, { status, headers });
  const sse = { "content-type": "text/event-stream" };

  test.for<[what: string, answer: () => Response, status: number, code: string, message: string]>([
    [
      "404",
      answering(404, {}, '{"error":{"message":"it is not known here"}}'),
      404,
      "not_found",
      "it is not known here",
    ],
    [
      "404 as a page",
      answering(404, { "content-type": "text/html" }, "<p>"),
      404,
      "not_found",
      "answered 404",
    ],
    [
      "401",
      answering(401, sse, '{"error":{"message":"bad signature"}}'),
      502,
      "cluster_bad_answer",
      "bad signature",
    ],
    ["403", answering(403, {}), 502, "cluster_bad_answer", "the cluster answered 403"],
    [
      "302",
      answering(302, { location: "https://evil.test/" }),
      502,
      "cluster_bad_answer",
      "redirect (302 to https://evil.test/)",
    ],
    ["500", answering(500, sse, "data: x\n\n"), 503, "cluster_unavailable", "the cluster answered 500"],
    [
      "a page",
      answering(200, { "content-type": "text/html" }, "<p>"),
      502,
      "cluster_bad_answer",
      "text/html",
    ],
    [
      "a stream with a content coding",
      answering(200, { ...sse, "content-encoding": "br" }, "data: x\n\n"),
      502,
      "cluster_bad_answer",
      "content coding `br`",
    ],
    ["nothing", answering(204, {}), 502, "cluster_bad_answer", "no content"],
    [
      "JSON that looks alike",
      answering(200, { "content-type": "text/event-stream-x" }, "{}"),
      502,
      "cluster_bad_answer",
      "text/event-stream-x",
    ],
  ])("but %s is reported as such", async ([_, answer, status, code, message], { cluster }) => {
    cluster.alwaysStreams(answer);
    const refused = await logs();
    expect([refused.status, refused.code]).toEqual([status, code]);
    expect(refused.message).toContain("cluster `main`");
    expect(refused.message).toContain(`logs of backend \`${id}\``);
    expect(refused.message).toContain(message);
  });

  test("but 503 with Retry-After passes that on", async ({ cluster }) => {
    cluster.alwaysStreams(answering(503, { "retry-after": "17" }));
    const refused = await logs();
    expect([refused.status, refused.code]).toEqual([503, "cluster_unavailable"]);
    expect(refused.response.headers.get("retry-after")).toBe("17");
  });

  test("because it cannot be reached is 503, to be tried again", async ({ cluster }) => {
    cluster.alwaysStreams(() => Promise.reject(new TypeError("Network connection lost.")));
    const refused = await logs();
    expect([refused.status, refused.code]).toEqual([503, "cluster_unavailable"]);
    expect(refused.message).toContain("Network connection lost.");
    expect(refused.response.headers.get("retry-after")).toMatch(/^\d+$/);
  });

  test("in time is given up, and its request with it", async ({ cluster }) => {
    const aborted = Promise.withResolvers<void>();
    cluster.alwaysStreams((request) => {
      request.signal.addEventListener("abort", () => aborted.resolve());
      return new Promise((_, reject) => {
        request.signal.addEventListener("abort", () => reject(request.signal.reason));
      });
    });
    const headers = { "webhook-id": "x", "webhook-timestamp": "1", "webhook-signature": "v1,x" };
    const signed = { url: "https://cluster.test/hook/x", headers };
    const opened = await openClusterStream({ cluster: "main", what: "logs of x" }, signed, 1);
    expect(opened).toMatchObject({
      ok: false,
      error: { code: "cluster_unavailable", message: expect.stringContaining("did not answer in time") },
    });
    await aborted.promise;
  });
});

describe("whose output may be looked at", () => {
  const paths = [...logPaths, "/v2/backend/:id/metrics/stream"];

  test.for(paths)(
    "at %s: not that of another environment than the token's",
    async (path, { clusterStreams, requests }) => {
      clusterStreams("data: x\n\n");
      const scope = { role: "read", service: "hello" } as const;
      const other = await createToken(account, { ...scope, environments: ["default"] });
      const refused = await refusal(path.replace(":id", id), { token: other.secret_token });
      expect([refused.status, refused.code]).toEqual([403, "forbidden"]);
      expect(requests).toEqual([]);
      const own = await createToken(account, { ...scope, environments: ["prod"] });
      expect((await send(path.replace(":id", id), { token: own.secret_token })).status).toBe(200);
    },
  );

  test.for(paths)(
    "at %s: of backends that are not there, or another account's, nobody's",
    async (path, { clusterStreams, requests }) => {
      clusterStreams("data: x\n\n");
      const stranger = await createAccount();
      const never = id.slice(0, 5) + "0".repeat(8);
      for (const [backend, token] of [
        [id, stranger.admin],
        [never, account.admin],
        ["0000000000000", account.admin],
      ] as const) {
        const refused = await refusal(path.replace(":id", backend), { token });
        expect([refused.status, refused.code]).toEqual([404, "backend_not_found"]);
      }
      expect(requests).toEqual([]);
    },
  );
});
