import { describe, expect } from "vitest";
import { z } from "zod";
import { spawnAnswer } from "../../../src/protocol/jamsocket/v1.ts";
import { connectAnswer } from "../../../src/protocol/jamsocket/v2.ts";
import { connectionSecret } from "../../../src/protocol/tokens/connection-secret.ts";
import { jwks, verifyConnectionToken } from "../../../src/protocol/tokens/connection-token.ts";
import {
  apiOrigin,
  call,
  createAccount,
  createCluster,
  createService,
  refusal,
  send,
  type TestAccount,
} from "../../support/worker/api.ts";
import { clusterTest as test } from "../../support/worker/worker-test.ts";

const digest = `sha256:${"a".repeat(64)}`;
const backendSpawn = z.object({
  type: z.literal("backend.spawn"),
  data: z.object({ secret_token: z.string() }),
});
const connectPath = "/v2/service/acme/hello/connect";

let account: TestAccount;

test.beforeAll(async ({ cluster: _ }) => {
  account = await createAccount("acme");
  await createCluster(account);
  const service = await createService(account);
  const recorded = await send(`${service}/images`, { token: account.admin, json: { digest, tag: "latest" } });
  expect(recorded.status).toBe(201);
});

const connect = (json: unknown) => call(connectAnswer, connectPath, { token: account.admin, json });
const spawn = (json: unknown, path = "/user/acme/service/hello/spawn") =>
  call(spawnAnswer, path, { token: account.admin, json });

async function claimsOf(token: string, backendId: string) {
  const keys = await call(jwks, "/.well-known/jwks.json");
  const verified = await verifyConnectionToken(token, keys, { account: "acme", cluster: "main", backendId });
  if (!verified.ok) throw new Error(verified.reason);
  return verified.claims;
}

describe("v2 connect", () => {
  test("answers with a URL whose token the published keys verify, for this backend and user", async () => {
    const answer = await connect({ user: "ada", auth: { may: ["write"] } });
    const { backend_id: id, token } = answer;
    expect(answer).toMatchObject({
      spawned: true,
      url: `https://${id}.cluster.test/${token}/`,
      status_url: `${apiOrigin}/v2/backend/${id}/status`,
      ready_url: `${apiOrigin}/ready/${id}/${token}`,
    });
    expect(await claimsOf(token, id)).toMatchObject({
      iss: apiOrigin,
      aud: "acme/main",
      sub: id,
      user: "ada",
      auth: { may: ["write"] },
    });
  });

  test("gives each connection a secret of its own, which the cluster's proxy derives from the spawn's and the token", async ({
    cluster,
  }) => {
    const first = await connect({ key: "secrets", user: "ada" });
    const spawnSecret = backendSpawn.parse(cluster.received.at(-1)?.message).data.secret_token;
    const second = await connect({ key: "secrets", user: "bob" });
    const again = await connect({ key: "secrets", user: "bob" });
    const answers = [first, second, again];
    expect(new Set(answers.map(({ backend_id }) => backend_id)).size).toBe(1);
    for (const { token, backend_id, secret_token } of answers) {
      const { jti } = await claimsOf(token, backend_id);
      expect(secret_token).toBe(connectionSecret(spawnSecret, jti ?? ""));
    }
    expect(new Set([spawnSecret, ...answers.map(({ secret_token }) => secret_token)]).size).toBe(4);
    expect(new Set(answers.map(({ token }) => token)).size).toBe(3);
  });

  test("gives the same secret and token again to the same request with its Idempotency-Key", async () => {
    const request = {
      token: account.admin,
      json: { user: "ada", key: "replayed" },
      headers: { "idempotency-key": "one-connection" },
    };
    const first = await call(connectAnswer, connectPath, request);
    const second = await call(connectAnswer, connectPath, request);
    expect(second).toEqual(first);
  });

  test("starts a backend also without any body, as the CLI sends it", async () => {
    const request = { token: account.admin, method: "POST" };
    expect((await call(connectAnswer, connectPath, request)).spawned).toBe(true);
  });

  test("hands out the backend that holds the key, and with spawn: false nothing else", async () => {
    const missing = await refusal(connectPath, { token: account.admin, json: { key: "k", spawn: false } });
    expect([missing.status, missing.code]).toEqual([404, "key_not_held"]);
    const first = await connect({ key: "k", spawn: true });
    const second = await connect({ key: "k", spawn: false });
    expect(second).toMatchObject({ backend_id: first.backend_id, spawned: false });
  });

  test("hands the spawn's params to the cluster", async ({ cluster }) => {
    const executable = { env: { A: "ä" }, mount: "data", resource_limits: { memory_limit_bytes: 1024 } };
    const { backend_id } = await connect({
      spawn: { tag: digest, cluster: "main", lifetime_limit_seconds: 60, max_idle_seconds: 0, executable },
    });
    expect(cluster.received.at(-1)?.message).toMatchObject({
      type: "backend.spawn",
      data: {
        backend_id,
        cluster: "main",
        image: { digest, tag: null },
        env: { A: "ä" },
        mount: "data",
        limits: { lifetime_limit_seconds: 60, max_idle_seconds: 0, resources: { memory_limit_bytes: 1024 } },
      },
    });
  });

  test("passes a cluster's own URL on, with one slash before the token", async ({ cluster }) => {
    await call(z.looseObject({}), "/v3/accounts/acme/clusters", {
      token: account.admin,
      json: { name: "own", webhook_url: "https://cluster.test/own" },
    });
    cluster.always(() => Response.json({ url: "https://own.test/base/" }));
    const { url, token } = await connect({ spawn: { cluster: "own" } });
    cluster.always(() => Response.json({}));
    expect(url).toBe(`https://own.test/base/${token}/`);
  });

  test("reports that a cluster has refused, in the cluster's words", async ({ cluster }) => {
    cluster.always(() => Response.json({ error: { message: "no room" } }, { status: 409 }));
    const { code, message } = await refusal(connectPath, { token: account.admin, json: {} });
    cluster.always(() => Response.json({}));
    expect(code).toBe("cluster_refused");
    expect(message).toContain("no room");
  });
});

describe("v1 spawn", () => {
  test.each(["/user/acme/service/hello/spawn", "/v1/user/acme/service/hello/spawn"])(
    "at %s answers as v1 does",
    async (path) => {
      const answer = await spawn({}, path);
      expect(answer).toMatchObject({ spawned: true, status: "Loading" });
      expect(answer.status_url).toBe(`${apiOrigin}/backend/${answer.name}/status`);
      expect(answer.url.startsWith(`https://${answer.name}.cluster.test/ey`)).toBe(true);
      expect(answer).not.toHaveProperty("bearer_token");
    },
  );

  test("with require_bearer_token keeps the token out of every URL", async () => {
    const { name, url, ready_url, bearer_token } = await spawn({ require_bearer_token: true });
    expect(url).toBe(`https://${name}.cluster.test/`);
    expect(ready_url).toBe(`${apiOrigin}/ready/${name}`);
    expect(await claimsOf(bearer_token ?? "", name)).toMatchObject({ sub: name });
  });

  test("hands its params to the cluster: the lock is the key, the grace period the idle time", async ({
    cluster,
  }) => {
    const json = { lock: "l", tag: "latest", grace_period_seconds: 7, port: 9000, env: { A: "1" } };
    const { name } = await spawn(json);
    expect(cluster.received.at(-1)?.message.data).toMatchObject({
      backend_id: name,
      key: "l",
      image: { digest, tag: "latest" },
      limits: { max_idle_seconds: 7 },
      port: 9000,
      env: { A: "1" },
    });
    expect(await spawn({ lock: "l" })).toMatchObject({ name, spawned: false });
  });
});

describe("ending a backend", () => {
  test("by v2 is hard if it says so", async ({ cluster }) => {
    const { backend_id: id } = await connect({});
    const path = `/v2/backend/${id}/terminate`;
    expect((await send(path, { method: "POST", token: account.admin })).status).toBe(200);
    expect(cluster.received.at(-1)?.message).toMatchObject({
      type: "backend.terminate",
      data: { backend_id: id, hard: false },
    });
    const hard = await send(path, { token: account.admin, json: { hard: true } });
    expect(await hard.json()).toEqual({ status: "ok" });
    expect(cluster.received.at(-1)?.message).toMatchObject({ data: { backend_id: id, hard: true } });
  });

  test("by v1 is always hard, and needs no body", async ({ cluster }) => {
    const { name } = await spawn({});
    const path = `/v1/backend/${name}/terminate`;
    expect((await send(path, { method: "POST", token: account.admin })).status).toBe(200);
    expect(cluster.received.at(-1)?.message).toMatchObject({ data: { backend_id: name, hard: true } });
  });

  test("ends all of a service's, or with dry_run only counts them", async () => {
    await connect({});
    const path = "/service/acme/hello/terminate-backends";
    const counted = await send(path, { token: account.admin, json: { dry_run: true } });
    const ended = await send(path, { token: account.admin, json: { hard: true } });
    const answer = z.object({
      backend_count: z.int().positive(),
      terminated_count: z.int(),
      is_complete: z.boolean(),
    });
    expect(answer.parse(await counted.json()).terminated_count).toBe(0);
    expect(answer.parse(await ended.json()).terminated_count).toBeGreaterThan(0);
  });
});
