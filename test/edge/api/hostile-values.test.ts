import { env } from "cloudflare:workers";
import { describe, expect } from "vitest";
import { connectAnswer } from "../../../src/protocol/jamsocket/v2.ts";
import {
  type ApiRequest,
  call,
  createAccount,
  createCluster,
  createService,
  send,
  type TestAccount,
} from "../../support/worker/api.ts";
import { clusterTest as test } from "../../support/worker/worker-test.ts";

const digest = `sha256:${"a".repeat(64)}`;
const hostile: unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e308,
  2 ** 53,
  "",
  "\u0000",
  "\ud800",
  "ä".repeat(5000),
  "' OR 1=1 --",
  "../..",
  "1970-01-01T00:00:00Z",
  "999999-01-01T00:00:00Z",
  [],
  [[]],
  {},
  JSON.parse('{"__proto__":"x","constructor":"y"}'),
];

type Json = { [field: string]: unknown };

/** Every copy of a body in which one value, at any depth, has been replaced or left out. */
function spoiled(value: unknown): unknown[] {
  if (typeof value !== "object" || value === null) return hostile;
  const fields: Json = { ...value };
  const changed = Object.keys(fields).flatMap((field) =>
    [undefined, ...spoiled(fields[field])].map((bad) => ({ ...fields, [field]: bad })),
  );
  return [...hostile, ...changed, JSON.parse('{"__proto__":{"key":"k"}}')];
}

const service = "/v3/accounts/acme/services/hello";
const bodies: [method: string, path: string, body: Json, agent?: "agent" | "root"][] = [
  ["POST", "/user/acme/service", { name: "a" }],
  [
    "POST",
    "/user/acme/service/hello/spawn",
    {
      tag: "latest",
      grace_period_seconds: 1,
      lock: "l",
      service_environment: "default",
      require_bearer_token: true,
      port: 80,
      env: { A: "1" },
    },
  ],
  ["POST", "/v2/service/acme/hello/update", { image_tag: "latest" }],
  [
    "POST",
    "/v2/service/acme/hello/default/connect",
    {
      key: "k",
      user: "u",
      auth: { a: 1 },
      spawn: {
        tag: "latest",
        cluster: "main",
        lifetime_limit_seconds: 1,
        max_idle_seconds: 1,
        executable: { mount: "m", env: { A: "1" }, resource_limits: { memory_limit_bytes: 1 } },
      },
    },
  ],
  ["POST", "/v2/backend/:id/terminate", { hard: true }],
  ["POST", "/v3/accounts", { name: "acme" }, "root"],
  [
    "POST",
    "/v3/accounts/acme/tokens",
    {
      name: "t",
      role: "read",
      rights: ["approve"],
      service: "hello",
      environments: ["default"],
      expires_in_seconds: 1,
    },
  ],
  [
    "POST",
    "/v3/accounts/acme/clusters",
    {
      name: "c",
      webhook_url: "https://cluster.test/",
      backend_url_template: "https://{backend_id}.cluster.test",
      ack: "sync",
    },
  ],
  [
    "PATCH",
    "/v3/accounts/acme/clusters/main",
    {
      webhook_url: "https://cluster.test/",
      backend_url_template: "https://{backend_id}.x.test",
      ack: "sync",
    },
  ],
  ["POST", "/v3/accounts/acme/services", { name: "b", default_environment: "default" }],
  ["PATCH", service, { default_environment: "default" }],
  [
    "POST",
    `${service}/environments`,
    {
      name: "e",
      cluster: "main",
      image: "latest",
      settings: { startup_timeout_seconds: 1, max_idle_seconds: 1, lifetime_limit_seconds: 1 },
    },
  ],
  ["PATCH", `${service}/environments/default`, { cluster: "main", settings: { max_idle_seconds: 1 } }],
  ["PUT", `${service}/environments/default/pin`, { image: "latest", note: "n" }],
  [
    "POST",
    `${service}/images`,
    {
      digest,
      tag: "latest",
      repository: "r.test/a/b",
      media_type: "m",
      pushed_at: "2026-01-01T00:00:00+01:00",
    },
  ],
  [
    "POST",
    "/v3/agent/backends/:id/status",
    {
      status: "loading",
      fencing_token: 1,
      exit_code: 1,
      termination_reason: "swept",
      termination_kind: "soft",
      url: "https://x.test",
    },
    "agent",
  ],
  [
    "POST",
    "/v3/agent/heartbeat",
    {
      cluster: "main",
      agent_id: "a",
      version: "1",
      backends: [{ id: "0000000000000", status: "ready", fencing_token: 1 }],
      capacity: 1,
      draining: true,
    },
    "agent",
  ],
  // Last, since a connect would wait for the holders of its key that this ends.
  [
    "POST",
    "/service/acme/hello/terminate-backends",
    { before: "2026-01-01T00:00:00Z", hard: true, dry_run: true },
  ],
];

let account: TestAccount;
let agent: string;
let backendId: string;

test.beforeAll(async ({ cluster: _ }) => {
  account = await createAccount("acme");
  agent = (await createCluster(account)).agent_token;
  await createService(account);
  const recorded = await send(`${service}/images`, { token: account.admin, json: { digest, tag: "latest" } });
  expect(recorded.status).toBe(201);
  const path = "/v2/service/acme/hello/connect";
  backendId = (await call(connectAnswer, path, { token: account.admin, json: {} })).backend_id;
});

/** Requests that were answered with a 5xx; there must be none. */
async function serverErrors(requests: [path: string, request: ApiRequest][]): Promise<string[]> {
  const failed: string[] = [];
  for (const [path, request] of requests) {
    const answer = await send(path.replace(":id", backendId), request);
    const text = await answer.text();
    if (answer.status >= 500) failed.push(`${path} ${JSON.stringify(request)} → ${text}`);
  }
  return failed;
}

describe("no value in any place is answered with a server error", () => {
  test.each(bodies)("in the body of %s %s", async (method, path, body, as) => {
    const token = as === "root" ? env.ROOT_TOKEN : as === "agent" ? agent : account.admin;
    const requests = spoiled(body).map((json): [string, ApiRequest] => [path, { method, token, json }]);
    expect(requests.length).toBeGreaterThan(hostile.length * 2);
    expect(await serverErrors(requests)).toEqual([]);
  });

  test.each([
    "/v3/accounts/acme/tokens?limit=",
    "/v3/accounts/acme/clusters?cursor=",
    "/v3/accounts/acme/services?cursor=",
    `${service}/environments?cursor=`,
    `${service}/environments/default/history?cursor=`,
    `${service}/environments/default/resolve?tag=`,
    `${service}/environments/default/resolve?key=`,
    `${service}/images?cursor=`,
    `${service}/backends?cursor=`,
    `${service}/backends?status=terminated&cursor=`,
    `${service}/backends?status=terminated&key=`,
    `${service}/backends?digest=`,
  ])("in the query %s", async (path) => {
    const values = [
      "",
      "%",
      "%00",
      "%ff",
      "-1",
      "1e3",
      "99999999999999999999",
      "NaN",
      "%F0%9F%98%80",
      "a&limit=x",
    ];
    const requests = values.map((value): [string, ApiRequest] => [path + value, { token: account.admin }]);
    expect(await serverErrors(requests)).toEqual([]);
  });

  test("in the path", async () => {
    const values = [
      "%",
      "%00",
      "%ff",
      "%2e%2e",
      "..%2f",
      "%F0%9F",
      "x".repeat(3000),
      "__proto__",
      "constructor",
      "*",
      "{}",
    ];
    const paths = values.flatMap((value) => [
      `/${value}`,
      `/v2/service/${value}/hello`,
      `/v2/service/acme/${value}`,
      `/v2/service/acme/${value}/images`,
      `/v2/backend/${value}`,
      `/v2/backend/${value}/status/stream`,
      `/ready/${value}/${value}`,
      `/v3/accounts/acme/clusters/${value}`,
      `${service}/environments/${value}`,
      `${service}/images/${value}`,
    ]);
    expect(await serverErrors(paths.map((path) => [path, { token: account.admin }]))).toEqual([]);
    const deletions = values.map((value): [string, ApiRequest] => [
      `/v3/accounts/acme/tokens/${value}`,
      { method: "DELETE", token: account.admin },
    ]);
    expect(await serverErrors(deletions)).toEqual([]);
  });
});
