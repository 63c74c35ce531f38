import { describe, expect } from "vitest";
import { z } from "zod";
import { spawnEnvMaxBytes, urlMaxBytes } from "../../../src/domain/limits.ts";
import { connectAnswer } from "../../../src/protocol/jamsocket/v2.ts";
import { statusReportAnswer } from "../../../src/protocol/v3/agent.ts";
import {
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
const connectPath = "/v2/service/acme/hello/connect";
/** The longest that is taken. */
const longest = {
  key: "\u{1f4a1}".repeat(128),
  user: "x".repeat(1000),
  auth: { a: "x".repeat(2970) },
  spawn: { executable: { mount: "m".repeat(128), env: { A: "x".repeat(spawnEnvMaxBytes - 1) } } },
};

let account: TestAccount;
let agent: string;

test.beforeAll(async ({ cluster: _ }) => {
  account = await createAccount("acme");
  agent = (await createCluster(account)).agent_token;
  const service = await createService(account);
  const recorded = await send(`${service}/images`, { token: account.admin, json: { digest, tag: "latest" } });
  expect(recorded.status).toBe(201);
});

describe("the longest that a connect may say", () => {
  test("starts a backend, whose URL servers take", async ({ cluster }) => {
    const connected = await call(connectAnswer, connectPath, { token: account.admin, json: longest });
    expect(connected.url.length).toBeGreaterThan(5000);
    expect(connected.url.length).toBeLessThanOrEqual(urlMaxBytes);
    expect(connected.ready_url.length).toBeLessThanOrEqual(urlMaxBytes);
    const { message, body } = cluster.of("backend.spawn").at(-1) ?? {};
    expect(message?.data).toMatchObject({ key: longest.key, env: longest.spawn.executable.env });
    expect(new TextEncoder().encode(body).length).toBeLessThanOrEqual(64 * 1024);
    const fencingToken = message?.type === "backend.spawn" ? message.data.fencing_token : 0;
    await call(statusReportAnswer, `/v3/agent/backends/${connected.backend_id}/status`, {
      token: agent,
      json: { status: "ready", fencing_token: fencingToken },
    });
    const ready = await send(new URL(connected.ready_url).pathname);
    expect([ready.status, ready.headers.get("location")]).toEqual([302, connected.url]);
  });

  test("and no more", async () => {
    const more: [change: object, limit: string][] = [
      [{ key: `${longest.key}x` }, "128"],
      [{ user: `${longest.user}x` }, "1000"],
      [{ auth: { a: "x".repeat(2980) } }, "4000"],
      [{ spawn: { executable: { mount: "m".repeat(129) } } }, "128"],
      [{ spawn: { executable: { env: { A: "x".repeat(spawnEnvMaxBytes) } } } }, String(spawnEnvMaxBytes)],
    ];
    for (const [change, limit] of more) {
      const refused = await refusal(connectPath, { token: account.admin, json: { ...longest, ...change } });
      expect([refused.status, refused.code]).toEqual([400, "bad_request"]);
      expect(refused.message).toContain(limit);
    }
  });
});

test("a cluster whose answer names a URL that no token can follow is told what is wrong with it", async ({
  cluster,
}) => {
  await call(z.looseObject({}), "/v3/accounts/acme/clusters", {
    token: account.admin,
    json: { name: "own", webhook_url: "https://cluster.test/own" },
  });
  for (const url of ["https://own.test/?session=1", "https://own.test/#x", "https://u@own.test/"]) {
    cluster.always(() => Response.json({ url }));
    const refused = await refusal(connectPath, { token: account.admin, json: { spawn: { cluster: "own" } } });
    expect(refused.code).toBe("cluster_bad_answer");
    expect(refused.message).toContain("no query, fragment or credentials");
  }
});
