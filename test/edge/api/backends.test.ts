import { env } from "cloudflare:workers";
import { describe, expect } from "vitest";
import { clusterStub } from "../../../src/objects/stubs.ts";
import { connectAnswer } from "../../../src/protocol/jamsocket/v2.ts";
import { heartbeatAnswer } from "../../../src/protocol/v3/agent.ts";
import { backend, backendList } from "../../../src/protocol/v3/backends.ts";
import { eventList } from "../../../src/protocol/v3/events.ts";
import {
  call,
  createAccount,
  createCluster,
  createService,
  createToken,
  refusal,
  send,
} from "../../support/worker/api.ts";
import { passTimeRunning } from "../../support/worker/clock.ts";
import { loggedIn } from "../../support/worker/page-client.ts";
import { isolatedClusterTest as test } from "../../support/worker/worker-test.ts";

/** An account whose cluster needs proof of an end, with a backend that holds the key `doc`. */
async function setUp() {
  const account = await createAccount();
  const token = account.admin;
  const agentToken = (await createCluster(account)).agent_token;
  const service = await createService(account);
  const json = { digest: `sha256:${"a".repeat(64)}`, tag: "latest" };
  expect((await send(`${service}/images`, { token, json })).status).toBe(201);
  const connectPath = `/v2/service/${account.name}/hello/connect`;
  const connect = () => call(connectAnswer, connectPath, { token, json: { key: "doc" } });
  const { backend_id: id } = await connect();
  const { fencing_token } = await call(backend, `/v3/accounts/${account.name}/backends/${id}`, { token });
  const beat = (backends: unknown[]) =>
    call(heartbeatAnswer, "/v3/agent/heartbeat", {
      token: agentToken,
      json: { cluster: "main", agent_id: "a", version: "1", backends, fence: "proof", newer: [1] },
    });
  await beat([{ id, status: "ready", fencing_token, newer: true }]);
  return {
    account,
    token,
    service,
    id,
    connect,
    connectPath,
    path: `/v3/accounts/${account.name}/backends/${id}`,
    lose: () => passTimeRunning(clusterStub(env, account.name, "main"), 60_000),
  };
}

describe("a backend in the API", () => {
  test("is the item that its service's list has, and is found when it has ended too", async () => {
    const { token, service, path, id } = await setUp();
    const { backends } = await call(backendList, `${service}/backends`, { token });
    expect(await call(backend, path, { token })).toEqual(backends[0]);
    await send(`/backend/${id}/terminate`, { token, json: {} });
    expect(await call(backend, path, { token })).toMatchObject({ id, status: "hard-terminating" });
  });

  test("is not found in another account, nor where it never was", async () => {
    const { account, path, id } = await setUp();
    const stranger = await createAccount();
    const own = `/v3/accounts/${stranger.name}/backends`;
    for (const refused of [
      await refusal(path, { token: stranger.admin }),
      await refusal(`${own}/${id}`, { token: stranger.admin }),
      await refusal(`/v3/accounts/${account.name}/backends/${id.slice(0, 5)}00000000`, {
        token: account.admin,
      }),
    ]) {
      expect(refused.status).toBe(404);
    }
  });

  test("is hidden from a token that is narrowed to other environments", async () => {
    const { account, path } = await setUp();
    const scope = { role: "read", service: "hello", environments: ["staging"] } as const;
    const { secret_token: token } = await createToken(account, { ...scope, environments: ["staging"] });
    expect((await refusal(path, { token })).status).toBe(403);
  });
});

describe("a backend whose key is held until its end is proven", () => {
  test("refuses whoever connects with the key, in the words of every version", async () => {
    const { account, token, id, connectPath, lose, path } = await setUp();
    await lose();
    expect(await call(backend, path, { token })).toHaveProperty("held_since");
    const spawnPath = `/user/${account.name}/service/hello/spawn`;
    for (const [at, json] of [
      [connectPath, { key: "doc" }],
      [connectPath, { key: "doc", spawn: false }],
      [spawnPath, { lock: "doc" }],
    ] as const) {
      const { status, code, message, response } = await refusal(at, { token, json });
      expect({ status, code }).toEqual({ status: 409, code: "key_held" });
      expect(message).toContain(id);
      expect(response.headers.get("retry-after")).toBe("10");
    }
  });

  test("is released by an admin with a note, again without another effect, and by nobody else", async () => {
    const { account, token, id, path, lose, connect } = await setUp();
    const release = `${path}/release`;
    const json = { note: "the machine was off" };
    expect(await refusal(release, { token, json })).toMatchObject({ status: 409, code: "backend_not_held" });
    await lose();
    const { secret_token: deploy } = await createToken(account, { role: "deploy" });
    expect((await refusal(release, { token: deploy, json })).status).toBe(403);
    for (const bad of [{}, { note: "  " }, { note: "x".repeat(1001) }, { note: "x", why: "y" }]) {
      expect((await refusal(release, { token, json: bad })).status).toBe(400);
    }
    const released = await call(backend, release, { token, json });
    expect(released).toMatchObject({ id, status: "terminated" });
    expect(await call(backend, release, { token, json })).toEqual(released);
    expect(await connect()).toMatchObject({ spawned: true });
    const events = await call(eventList, `/v3/accounts/${account.name}/events?type=backend.released`, {
      token,
    });
    expect(events.events).toMatchObject([
      { backend_id: id, details: json, message: expect.stringContaining("off") },
    ]);
  });

  test("is released on its page, where only an admin is offered that and only while the key is held", async () => {
    const { account, token, id, lose } = await setUp();
    const admin = await loggedIn(token);
    const reader = await loggedIn((await createToken(account, { role: "read" })).secret_token);
    const page = `/backend/${id}`;
    expect((await admin.visit(page)).html).not.toContain("Its key is held");
    await lose();
    expect((await reader.visit(page)).html).toContain("You cannot release it here");
    expect((await admin.visit(page)).html).toContain(`Release ${id}`);
    expect((await reader.submit(page, "release", { note: "why" })).status).toBe(403);
    expect((await admin.submit(page, "release", { note: "" })).status).toBe(400);
    expect((await admin.submit(page, "release", { note: "it was off" })).status).toBe(303);
    expect((await admin.visit(page)).html).not.toContain("Its key is held");
  });
});
