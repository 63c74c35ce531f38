import { once } from "node:events";
import { createServer, get, type IncomingMessage, type ServerResponse } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { z } from "zod";
import { startAgent } from "../../../src/agent/agent.ts";
import { processRuntime } from "../../../src/agent/runtimes/process/process.ts";
import { ok } from "../../../src/domain/result.ts";
import { connectAnswer } from "../../../src/protocol/jamsocket/v2.ts";
import { createdAccount } from "../../../src/protocol/v3/accounts.ts";
import { createdCluster } from "../../../src/protocol/v3/clusters.ts";
import { image } from "../../../src/protocol/v3/images.ts";
import { environment } from "../../../src/protocol/v3/services.ts";
import { call, untilStatus } from "../../support/api.ts";
import { makeFolder } from "../../support/folder.ts";
import { type Jamsocket, jamsocketOf } from "../../support/jamsocket.ts";
import { killableWorker } from "../../support/killable/worker.ts";

const stack = new AsyncDisposableStack();
const hello = "/v3/accounts/acme/services/hello";
let api: { api_url: string; token: string };
let jamsocket: Jamsocket;

beforeAll(async () => {
  const folder = stack.use(await makeFolder());
  const worker = stack.use(await killableWorker(join(folder.path, "worker")));
  await worker.start();
  const root = { api_url: worker.apiUrl, token: worker.rootToken };
  const account = await call(root, createdAccount, "/v3/accounts", { json: { name: "acme" } });
  api = { api_url: worker.apiUrl, token: account.token.secret_token };
  await call(api, z.looseObject({}), "/v3/accounts/acme/services", { json: { name: "hello" } });
  const pushed = { digest: `sha256:${"1".repeat(64)}`, tag: "latest" };
  await call(api, image, `${hello}/images`, { json: pushed });
  jamsocket = await jamsocketOf(folder.path, worker.apiUrl);
  await jamsocket("login", "--token", api.token);
});
afterAll(() => stack.disposeAsync());

async function addEnvironment(name: string, url: string) {
  const cluster = await call(api, createdCluster, "/v3/accounts/acme/clusters", {
    json: { name, webhook_url: `${url}/webhook`, backend_url_template: "http://127.0.0.1:1/{backend_id}" },
  });
  await call(api, environment, `${hello}/environments`, { json: { name, cluster: name } });
  return cluster;
}

function connect(name: string) {
  return call(api, connectAnswer, `/v2/service/acme/hello/${name}/connect`, { json: {} });
}

describe("an agent's output", () => {
  /** Prints a line when it starts, one that a terminal shows as progress, and one for every request. */
  const program = `
    console.log("started as " + process.env.SESSION_BACKEND_ID);
    process.stdout.write("10%\\r20%\\n");
    require("node:http").createServer((request, response) => {
      console.log("asked for " + request.url);
      response.end(() => request.url === "/leave" && process.exit(0));
    }).listen(process.env.PORT, "127.0.0.1");`;
  let id: string;
  let url: string;
  let agentUrl: string;
  /** The kinds of streams that were requested of the agent. */
  const requested: unknown[] = [];

  beforeAll(async () => {
    const folder = stack.use(await makeFolder());
    const { signing_secret, agent_token } = await addEnvironment("agents", "http://127.0.0.1:1");
    const command = [process.execPath, "-e", program];
    const agent = await startAgent({
      apiUrl: api.api_url,
      cluster: "agents",
      agentToken: agent_token,
      signingSecrets: [signing_secret],
      runtime: processRuntime({ images: async () => ok({ command }), dir: join(folder.path, "processes") }),
      stateDir: join(folder.path, "state"),
      port: 0,
      log: (event, fields) => void (event === "output.asked" && requested.push(fields?.kind)),
    });
    stack.defer(() => agent.close());
    agentUrl = agent.url;
    const path = "/v3/accounts/acme/clusters/agents";
    const patch = { webhook_url: `${agent.url}/webhook`, backend_url_template: null };
    await call(api, z.looseObject({}), path, { method: "PATCH", json: patch });
    const connection = await connect("agents");
    ({ backend_id: id, url } = connection);
    await untilStatus(connection.status_url, "ready");
  });

  test("is shown by the Jamsocket CLI as it comes, logs and metrics, until the backend ends", async () => {
    const headers = { authorization: `Bearer ${api.token}` };
    const metrics = jamsocket("backend", "metrics", id);
    const logs = jamsocket("logs", id);
    await vi.waitFor(() => expect(requested.toSorted()).toEqual(["logs", "metrics"]), { timeout: 20_000 });
    const following = await fetch(`${api.api_url}/v1/backend/${id}/logs`, { headers });
    await fetch(`${url}visit`);
    // Who subscribed before has had a sample by the time that this one comes.
    const samples = await fetch(`${api.api_url}/v2/backend/${id}/metrics/stream`, { headers });
    for await (const chunk of samples.body ?? []) if (chunk.length > 1) break;
    await fetch(`${url}leave`);

    const lines = [`started as ${id}`, "10%", "20%", "asked for /visit", "asked for /leave"];
    const events = (await following.text()).split("\n\n");
    expect(events).toEqual(expect.arrayContaining(lines.map((line) => `data: ${line}`)));
    const printed = await logs;
    expect(printed.exitCode, printed.output).toBe(0);
    expect(printed.stdout.split("\n")).toEqual(expect.arrayContaining(lines));
    const shown = await metrics;
    expect(shown.exitCode, shown.output).toBe(0);
    expect(shown.stdout).toMatch(/cpu util\s+mem used\s+mem avail/);
    expect(shown.stdout).toMatch(/\d+\.\d%\s+\d+\.\d\d MiB\s+\d+\.\d\d [GM]iB/);
  });

  test("is still shown when the backend has ended", async () => {
    await untilStatus(`${api.api_url}/v2/backend/${id}/status`, "terminated");
    const printed = await jamsocket("backend", "logs", id);
    expect(printed.exitCode, printed.output).toBe(0);
    expect(printed.stdout).toContain("asked for /leave\n");
  });

  test("is refused to a cluster of another secret, which the CLI does not take for a bad login", async () => {
    const cluster = await startStreamingCluster();
    await addEnvironment("elsewhere", cluster.url);
    const { backend_id } = await connect("elsewhere");
    const json = { webhook_url: `${agentUrl}/webhook` };
    const path = "/v3/accounts/acme/clusters/elsewhere";
    await call(api, z.looseObject({}), path, { method: "PATCH", json });
    const refused = await jamsocket("logs", backend_id);
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr.replace(/\s+/g, " ")).toContain("the request's signature is not good");
    expect(refused.stderr).not.toContain("log in");
  });
});

/** A third-party cluster, over real HTTP, whose streams a test writes. */
async function startStreamingCluster() {
  const streams: { path: string; response: ServerResponse; left: boolean }[] = [];
  const server = createServer(async (request, response) => {
    if (request.method !== "GET") {
      await text(request);
      return void response.writeHead(200).end("{}");
    }
    const stream = { path: request.url ?? "", response, left: false };
    response.once("close", () => {
      stream.left = true;
    });
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.flushHeaders();
    streams.push(stream);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`,
    streams,
    async stream() {
      await vi.waitFor(() => expect(streams).not.toEqual([]));
      const stream = streams.shift();
      if (!stream) throw new Error("nobody has sent a request");
      return stream;
    },
  };
}

/** An answer that is read as the test wants; its client leaves when it is destroyed. */
function openLogs(id: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${api.token}` };
    const request = get(`${api.api_url}/v2/backend/${id}/logs/stream`, { headers }, resolve);
    request.once("error", reject);
    onTestFinished(() => void request.destroy());
  });
}

describe("a stream of logs over real HTTP", () => {
  test("is begun before anything is printed, and each line is passed on when it comes", async () => {
    const cluster = await startStreamingCluster();
    await addEnvironment("prompt", cluster.url);
    const logs = await openLogs((await connect("prompt")).backend_id);
    expect(logs.statusCode).toBe(200);
    const { response } = await cluster.stream();
    for (const line of ["one", "two"]) {
      response.write(`data: ${line}\n\n`);
      const [chunk] = await once(logs, "data");
      expect(String(chunk)).toBe(`data: ${line}\n\n`);
    }
    response.destroy();
    await once(logs, "end");
  });

  test("ends at the cluster when its client leaves, be it silent or not", async () => {
    const cluster = await startStreamingCluster();
    await addEnvironment("left", cluster.url);
    const { backend_id } = await connect("left");
    const silentLogs = await openLogs(backend_id);
    const silent = await cluster.stream();
    const chattyLogs = await openLogs(backend_id);
    const chatty = await cluster.stream();
    silentLogs.destroy();
    chattyLogs.destroy();
    const chatting = setInterval(() => chatty.response.write("data: is anybody there?\n\n"), 20);
    onTestFinished(() => clearInterval(chatting));
    await vi.waitFor(() => expect(chatty.left).toBe(true), { timeout: 10_000 });
    await vi.waitFor(() => expect(silent.left).toBe(true), { timeout: 45_000, interval: 200 });
  });

  test("holds the cluster back while its client does not read, and loses nothing", async () => {
    const cluster = await startStreamingCluster();
    await addEnvironment("held", cluster.url);
    const logs = await openLogs((await connect("held")).backend_id);
    const { response } = await cluster.stream();
    let written = 0;
    const write = () => {
      while (!response.destroyed && response.write(`data: ${written++} ${"x".repeat(1000)}\n\n`));
    };
    response.on("drain", write);
    write();
    let before = -1;
    await vi.waitFor(
      () => {
        const held = written === before;
        before = written;
        expect(held).toBe(true);
      },
      { timeout: 20_000, interval: 300 },
    );
    expect(written).toBeLessThan(40_000);

    let read = "";
    let line = 0;
    for await (const chunk of logs) {
      read += chunk;
      const events = read.split("\n\n");
      read = events.pop() ?? "";
      for (const event of events) {
        if (event.trim() === "") continue;
        expect(event.trim().startsWith(`data: ${line++} x`)).toBe(true);
      }
      if (line > before + 1000) break;
    }
    expect(line).toBeGreaterThan(before);
  });
});
