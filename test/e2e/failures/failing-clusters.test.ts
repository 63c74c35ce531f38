import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { describe, expect, test, vi } from "vitest";
import { z } from "zod";
import { connectAnswer } from "../../../src/protocol/jamsocket/v2.ts";
import { createdAccount } from "../../../src/protocol/v3/accounts.ts";
import { createdCluster, testedCluster } from "../../../src/protocol/v3/clusters.ts";
import { image } from "../../../src/protocol/v3/images.ts";
import { environment } from "../../../src/protocol/v3/services.ts";
import { call } from "../../support/api.ts";
import { startRecordingCluster } from "../../support/clusters/recording-cluster.ts";
import { makeFolder } from "../../support/folder.ts";
import { killableWorker } from "../../support/killable/worker.ts";
import { share } from "../../support/shared.ts";

interface SpawnAttempt {
  webhookId: string;
  body: string;
}

/** A cluster over real HTTP whose first answers to `backend.spawn` misbehave in the ways given. */
async function startMisbehavingCluster(...misbehaviours: ((response: ServerResponse) => void)[]) {
  const attempts: SpawnAttempt[] = [];
  const paths: string[] = [];
  const server = createServer(async (request, response) => {
    paths.push(request.url ?? "");
    const body = await text(request);
    if (!body.includes('"backend.spawn"')) return void response.writeHead(204).end();
    attempts.push({ webhookId: String(request.headers["webhook-id"]), body });
    const misbehave = misbehaviours.shift();
    if (misbehave) misbehave(response);
    else response.end("{}");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`;
  return {
    url,
    attempts,
    paths,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

let api: { api_url: string; token: string };
const hello = "/v3/accounts/acme/services/hello";

async function addEnvironment(name: string, url: string) {
  await call(api, createdCluster, "/v3/accounts/acme/clusters", {
    json: { name, webhook_url: `${url}/webhook`, backend_url_template: `${url}/{backend_id}` },
  });
  await call(api, environment, `${hello}/environments`, { json: { name, cluster: name } });
}

const connectPath = (name: string) => `/v2/service/acme/hello/${name}/connect`;
const connect = (name: string, json: object = {}) => call(api, connectAnswer, connectPath(name), { json });

share({
  async start(stack) {
    const folder = stack.use(await makeFolder());
    const worker = stack.use(await killableWorker(folder.path));
    await worker.start();
    const root = { api_url: worker.apiUrl, token: worker.rootToken };
    const account = await call(root, createdAccount, "/v3/accounts", { json: { name: "acme" } });
    api = { api_url: worker.apiUrl, token: account.token.secret_token };
    await call(api, z.looseObject({}), "/v3/accounts/acme/services", { json: { name: "hello" } });
    const pushed = { digest: `sha256:${"1".repeat(64)}`, tag: "latest" };
    await call(api, image, `${hello}/images`, { json: pushed });
  },
});

describe("a cluster that", () => {
  test("hangs is cut off after ten seconds, delays nobody else, and receives the spawn again under the same id", async () => {
    await using hanging = await startMisbehavingCluster(() => {});
    await using prompt = await startRecordingCluster();
    await addEnvironment("hanging", hanging.url);
    await addEnvironment("prompt", prompt.url);

    const slow = connect("hanging", { key: "doc" });
    await vi.waitFor(() => expect(hanging.attempts).toHaveLength(1));
    for (let i = 0; i < 5; i++) await connect("prompt");
    expect(hanging.attempts).toHaveLength(1);

    expect(await slow).toMatchObject({ spawned: true, status: "scheduled" });
    await vi.waitFor(() => expect(hanging.attempts).toHaveLength(2), { timeout: 10_000 });
    expect(new Set(hanging.attempts.map(({ webhookId }) => webhookId)).size).toBe(1);
    expect((await connect("hanging", { key: "doc" })).spawned).toBe(false);
  });

  test("closes the connection without an answer receives the spawn again", async () => {
    await using closing = await startMisbehavingCluster((response) => response.destroy());
    await addEnvironment("closing", closing.url);
    const { backend_id } = await connect("closing");
    await vi.waitFor(() => expect(closing.attempts).toHaveLength(2), { timeout: 10_000 });
    for (const { webhookId, body } of closing.attempts) {
      expect(webhookId).toBe(closing.attempts[0]?.webhookId);
      expect(body).toContain(backend_id);
    }
  });

  test("redirects is not followed, and the person who connects is shown so", async () => {
    await using redirecting = await startMisbehavingCluster((response) =>
      response.writeHead(307, { location: "/elsewhere" }).end(),
    );
    await addEnvironment("redirecting", redirecting.url);
    await expect(connect("redirecting")).rejects.toThrow(/cluster_refused.*redirect/);
    expect(redirecting.paths).not.toContain("/elsewhere");
  });

  test("is not there at all fails its test with the reason", async () => {
    const gone = await startMisbehavingCluster();
    await gone[Symbol.asyncDispose]();
    await addEnvironment("gone", gone.url);
    const path = "/v3/accounts/acme/clusters/gone/test";
    const tested = await call(api, testedCluster, path, { method: "POST" });
    expect(tested.delivered).toBe(false);
    expect(tested.error).toContain("could not be reached");
  });
});
