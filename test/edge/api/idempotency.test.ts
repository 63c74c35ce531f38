import { env } from "cloudflare:workers";
import { describe, expect } from "vitest";
import { z } from "zod";
import {
  type ApiRequest,
  createAccount,
  createCluster,
  createService,
  freshName,
  refusal,
  send,
  type TestAccount,
} from "../../support/worker/api.ts";
import { clusterTest as test } from "../../support/worker/worker-test.ts";

let account: TestAccount;

test.beforeAll(async ({ cluster: _ }) => {
  account = await createAccount("acme");
  await createCluster(account);
  const service = await createService(account);
  const json = { digest: `sha256:${"a".repeat(64)}`, tag: "latest" };
  expect((await send(`${service}/images`, { token: account.admin, json })).status).toBe(201);
});

async function twice(path: string, request: ApiRequest) {
  const keyed = { ...request, headers: { "idempotency-key": crypto.randomUUID() } };
  const answers = [await send(path, keyed), await send(path, keyed)];
  const [first, second] = await Promise.all(
    answers.map(async (answer) => ({ status: answer.status, body: await answer.json() })),
  );
  return { first, second, keyed };
}

const withToken = (json: unknown): ApiRequest => ({ token: account.admin, json });

describe("a request that is repeated with its Idempotency-Key", () => {
  test.each([
    ["/v3/accounts/acme/tokens", () => ({ name: freshName("token"), role: "read" })],
    [
      "/v3/accounts/acme/clusters",
      () => ({ name: freshName("cluster"), webhook_url: "https://cluster.test/" }),
    ],
    ["/v3/accounts/acme/clusters/main/rotate-secret", () => ({})],
    ["/v3/accounts/acme/services", () => ({ name: freshName("service") })],
    ["/v3/accounts/acme/services/hello/environments", () => ({ name: freshName("environment") })],
    ["/v3/accounts/acme/services/hello/images", () => ({ digest: `sha256:${"b".repeat(64)}`, tag: "v2" })],
    ["/v2/service/acme/hello/default/connect", () => ({ user: "ada", auth: { may: ["write"] } })],
    [
      "/user/acme/service/hello/spawn",
      () => ({ service_environment: "default", require_bearer_token: true }),
    ],
  ])("gets the first answer again from %s, secrets and all", async (path, json) => {
    const { first, second } = await twice(path, withToken(json()));
    expect(first?.status).toBeLessThan(300);
    expect(second).toEqual(first);
  });

  test("gets the first answer again from /v3/accounts, and its token works", async () => {
    const name = freshName("account");
    const { first, second } = await twice("/v3/accounts", { token: env.ROOT_TOKEN, json: { name } });
    expect(first?.status).toBe(201);
    expect(second).toEqual(first);
    const created = z.object({ token: z.object({ secret_token: z.string() }) }).parse(second?.body);
    expect((await send("/auth", { token: created.token.secret_token })).status).toBe(200);
  });

  test("answers with the secrets that were stored: a replayed token and agent token are accepted", async () => {
    const token = await twice("/v3/accounts/acme/tokens", withToken({ name: "x", role: "read" }));
    const { secret_token } = z.object({ secret_token: z.string() }).parse(token.second?.body);
    expect((await send("/auth", { token: secret_token })).status).toBe(200);

    const json = { name: freshName("cluster"), webhook_url: "https://cluster.test/" };
    const made = await twice("/v3/accounts/acme/clusters", withToken(json));
    const { agent_token } = z.object({ agent_token: z.string() }).parse(made.second?.body);
    expect((await send("/auth", { token: agent_token })).status).toBe(200);
  });

  test("spawns one backend", async ({ cluster }) => {
    const before = cluster.received.length;
    await twice("/v2/service/acme/hello/default/connect", withToken({}));
    expect(cluster.received.slice(before).map(({ message }) => message.type)).toEqual(["backend.spawn"]);
  });

  test("is refused with another body", async () => {
    const { keyed } = await twice("/v3/accounts/acme/tokens", withToken({ name: "x", role: "read" }));
    const changed = { ...keyed, json: { name: "x", role: "admin" } };
    const { status, code } = await refusal("/v3/accounts/acme/tokens", changed);
    expect([status, code]).toEqual([422, "idempotency_mismatch"]);
  });

  test("without one makes another secret each time", async () => {
    const read = z.object({ id: z.string(), secret_token: z.string() });
    const request = withToken({ name: "x", role: "read" });
    const [first, second] = [
      read.parse(await (await send("/v3/accounts/acme/tokens", request)).json()),
      read.parse(await (await send("/v3/accounts/acme/tokens", request)).json()),
    ];
    expect(first.id).not.toBe(second.id);
    expect(first.secret_token.split(".")[1]).not.toBe(second.secret_token.split(".")[1]);
  });

  test("used by two accounts makes two secrets", async () => {
    const other = await createAccount();
    const headers = { "idempotency-key": "the-same" };
    const json = { name: "x", role: "read" };
    const read = z.object({ secret_token: z.string() });
    const secrets = await Promise.all(
      [account, other].map(async ({ name, admin }) => {
        const answer = await send(`/v3/accounts/${name}/tokens`, { token: admin, json, headers });
        return read.parse(await answer.json()).secret_token.split(".")[1];
      }),
    );
    expect(secrets[0]).not.toBe(secrets[1]);
  });
});
