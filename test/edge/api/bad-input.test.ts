import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, test } from "vitest";
import { apiBodyMaxBytes } from "../../../src/domain/limits.ts";
import { errorEnvelope } from "../../../src/protocol/error-envelope.ts";
import {
  type ApiRequest,
  createAccount,
  createCluster,
  createService,
  refusal,
  send,
  type TestAccount,
} from "../../support/worker/api.ts";

let account: TestAccount;
let admin: string;

beforeAll(async () => {
  account = await createAccount("acme");
  admin = account.admin;
  await createCluster(account);
  await createService(account);
});

/** Everything that a request could have changed in the account. */
async function snapshot(): Promise<unknown> {
  const root = "/v3/accounts/acme";
  const paths = [
    "/tokens",
    "/clusters",
    "/services",
    "/services/hello",
    "/services/hello/environments",
    "/services/hello/environments/default/history",
    "/services/hello/images",
    "/services/hello/backends",
  ];
  return Promise.all(paths.map(async (path) => (await send(root + path, { token: admin })).json()));
}

const v3 = "/v3/accounts/acme";
const connect = "/v2/service/acme/hello/connect";
const digest = `sha256:${"a".repeat(64)}`;
const deep = `{"auth":{"a":${"[".repeat(20_000)}${"]".repeat(20_000)}}}`;
/** `{"user":"?"}` with the first byte of a longer character for the question mark. */
const notUtf8 = new TextEncoder().encode('{"user":"?"}').map((byte) => (byte === 0x3f ? 0xc3 : byte));
const large = JSON.stringify({ key: "x".repeat(apiBodyMaxBytes) });

function chunked(text: string): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  return new ReadableStream({
    start(controller) {
      for (let at = 0; at < bytes.length; at += 4096) controller.enqueue(bytes.subarray(at, at + 4096));
      controller.close();
    },
  });
}

type Row = [name: string, status: number, path: string, request: ApiRequest];

const rows: Row[] = [
  ["malformed JSON", 400, connect, { body: "{" }],
  ["JSON that is no object", 400, connect, { json: [] }],
  ["JSON null", 400, connect, { json: null }],
  ["a body that is not UTF-8", 400, connect, { body: notUtf8 }],
  ["a body that ends within a character", 400, connect, { body: new Uint8Array([0x22, 0xc3]) }],
  ["values nested without end", 400, connect, { body: deep }],
  ["a body that is too large", 413, connect, { body: large }],
  ["a chunked body that is too large", 413, connect, { body: chunked(large) }],
  ["a wrong type", 400, connect, { json: { key: 1 } }],
  ["an empty key", 400, connect, { json: { key: "" } }],
  ["a key of 129 characters", 400, connect, { json: { key: "x".repeat(129) } }],
  ["half a surrogate pair as key", 400, connect, { body: '{"key":"\\ud800"}' }],
  ["spawn: false without a key", 400, connect, { json: { spawn: false } }],
  ["spawn as a string", 400, connect, { json: { spawn: "yes" } }],
  ["a spawn with a bad digest", 400, connect, { json: { spawn: { tag: "sha256:abc" } } }],
  ["a lifetime of zero", 400, connect, { json: { spawn: { lifetime_limit_seconds: 0 } } }],
  ["a reserved env variable", 400, connect, { json: { spawn: { executable: { env: { PORT: "1" } } } } }],
  ["an env variable that is no string", 400, connect, { json: { spawn: { executable: { env: { A: 1 } } } } }],
  [
    "65 env variables",
    400,
    connect,
    {
      json: {
        spawn: {
          executable: { env: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`A${i}`, ""])) },
        },
      },
    },
  ],
  ["auth that is no object", 400, connect, { json: { auth: "x" } }],
  [
    "a bad name of an environment in v1 spawn",
    400,
    "/user/acme/service/hello/spawn",
    { json: { service_environment: "No!" } },
  ],
  ["a port out of range", 400, "/v1/user/acme/service/hello/spawn", { json: { port: 70_000 } }],
  [
    "a reserved env variable in v1 spawn",
    400,
    "/user/acme/service/hello/spawn",
    { json: { env: { SLIPWAY_X: "" } } },
  ],
  ["an environment that does not exist", 404, "/v2/service/acme/hello/prdo/connect", { json: {} }],
  ["an update without a tag", 400, "/v2/service/acme/hello/update", { json: {} }],
  ["an update with a bad tag", 400, "/v2/service/acme/hello/update", { json: { image_tag: ".x" } }],
  ["an update to an unknown tag", 404, "/v2/service/acme/hello/update", { json: { image_tag: "v1" } }],
  ["a bad time", 400, "/service/acme/hello/terminate-backends", { json: { before: "yesterday" } }],
  ["another bad time", 400, `${v3}/services/hello/terminations`, { json: { created_before: "yesterday" } }],
  ["a bad name of a service", 400, "/v2/service/acme/He_llo", {}],
  ["a name of 41 characters", 400, `/v2/service/acme/${"a".repeat(41)}`, {}],
  ["bad percent-encoding in a name", 400, "/v2/service/acme/%ZZ", {}],
  ["half a character in percent-encoding", 400, "/v2/service/acme/%C3", {}],
  ["an encoded slash in a name", 400, "/v2/service/acme/a%2Fb", {}],
  ["a NUL in a name", 400, "/v2/service/acme/a%00b", {}],
  ["a service that does not exist", 404, "/v2/service/acme/helo", {}],
  ["a malformed backend id", 404, "/v2/backend/nonsense", {}],
  ["an unknown backend id", 404, "/v2/backend/0000000000000", {}],
  ["an unknown backend id, in a request for its status", 404, "/v2/backend/0000000000000/status", {}],
  ["a malformed backend id, in a request for its status", 404, "/backend/%ff/status/stream", {}],
  ["a service with a bad name", 400, `${v3}/services`, { json: { name: "-a" } }],
  ["a service that exists", 409, `${v3}/services`, { json: { name: "hello" } }],
  ["a service without a name, and no body at all", 400, `${v3}/services`, { method: "POST" }],
  ["an unknown field in v3", 400, `${v3}/services`, { json: { name: "other", colour: "red" } }],
  ["a role that does not exist", 400, `${v3}/tokens`, { json: { name: "x", role: "agent" } }],
  [
    "a right that does not exist",
    400,
    `${v3}/tokens`,
    { json: { name: "x", role: "read", rights: ["all"] } },
  ],
  [
    "a right that is given twice",
    400,
    `${v3}/tokens`,
    { json: { name: "x", role: "read", rights: ["check", "check"] } },
  ],
  [
    "environments without their service",
    400,
    `${v3}/tokens`,
    { json: { name: "x", role: "read", environments: ["a"] } },
  ],
  [
    "a token that has expired already",
    400,
    `${v3}/tokens`,
    { json: { name: "x", role: "read", expires_in_seconds: -1 } },
  ],
  [
    "a token of a service that does not exist",
    404,
    `${v3}/tokens`,
    { json: { name: "x", role: "read", service: "nope" } },
  ],
  ["the last admin token", 409, `${v3}/tokens/$admin`, { method: "DELETE" }],
  ["a token that does not exist", 404, `${v3}/tokens/nope`, { method: "DELETE" }],
  [
    "a webhook at a private address",
    400,
    `${v3}/clusters`,
    { json: { name: "x", webhook_url: "https://10.0.0.1/" } },
  ],
  [
    "a webhook without https",
    400,
    `${v3}/clusters`,
    { json: { name: "x", webhook_url: "http://cluster.test/" } },
  ],
  ["a webhook that is no URL", 400, `${v3}/clusters`, { json: { name: "x", webhook_url: "cluster" } }],
  [
    "an async cluster without a template",
    400,
    `${v3}/clusters`,
    { json: { name: "x", webhook_url: "https://cluster.test/", ack: "async" } },
  ],
  [
    "a cluster that exists",
    409,
    `${v3}/clusters`,
    { json: { name: "main", webhook_url: "https://cluster.test/" } },
  ],
  ["a change of a cluster that does not exist", 404, `${v3}/clusters/nope`, { method: "PATCH", json: {} }],
  [
    "a cluster that is not a default one any more",
    400,
    `${v3}/clusters/main`,
    { method: "PATCH", json: { default: false } },
  ],
  [
    "an environment on an unknown cluster",
    404,
    `${v3}/services/hello/environments`,
    { json: { name: "prod", cluster: "nope" } },
  ],
  [
    "an environment with a negative idle time",
    400,
    `${v3}/services/hello/environments`,
    { json: { name: "prod", settings: { max_idle_seconds: -1 } } },
  ],
  ["an environment that exists", 409, `${v3}/services/hello/environments`, { json: { name: "default" } }],
  [
    "a default environment that does not exist",
    404,
    `${v3}/services/hello`,
    { method: "PATCH", json: { default_environment: "nope" } },
  ],
  [
    "a pin to an unknown digest",
    404,
    `${v3}/services/hello/environments/default/pin`,
    { method: "PUT", json: { image: digest } },
  ],
  [
    "a note that is too long",
    400,
    `${v3}/services/hello/environments/default/pin`,
    { method: "PUT", json: { image: "v1", note: "x".repeat(501) } },
  ],
  [
    "an If-Match that is no revision",
    400,
    `${v3}/services/hello/environments/default/pin`,
    { method: "PUT", json: { image: "v1" }, headers: { "if-match": 'W/"1"' } },
  ],
  [
    "an If-Match of any revision",
    400,
    `${v3}/services/hello/environments/default/pin`,
    { method: "PUT", json: { image: "v1" }, headers: { "if-match": "*" } },
  ],
  [
    "an If-Match beyond all integers",
    400,
    `${v3}/services/hello/environments/default/pin`,
    { method: "PUT", json: { image: "v1" }, headers: { "if-match": `"${"9".repeat(30)}"` } },
  ],
  ["an image with a bad digest", 400, `${v3}/services/hello/images`, { json: { digest: "sha256:abc" } }],
  [
    "an image in a bad repository",
    400,
    `${v3}/services/hello/images`,
    { json: { digest, repository: "Bad Repo:tag" } },
  ],
  ["an image with a bad tag", 400, `${v3}/services/hello/images`, { json: { digest, tag: "a b" } }],
  ["a digest in a path that is none", 400, `${v3}/services/hello/images/latest`, {}],
  ["an image that does not exist", 404, `${v3}/services/hello/images/${digest}`, { method: "DELETE" }],
  ["a limit of zero", 400, `${v3}/services?limit=0`, {}],
  ["a limit that is no number", 400, `${v3}/services?limit=many`, {}],
  ["a limit that is too large", 400, `${v3}/tokens?limit=201`, {}],
  ["a bad cursor of tokens", 400, `${v3}/tokens?cursor=%F0%9F`, {}],
  ["a bad cursor of clusters", 400, `${v3}/clusters?cursor=nonsense`, {}],
  ["a bad cursor of services", 400, `${v3}/services?cursor=-1`, {}],
  ["a bad cursor of environments", 400, `${v3}/services/hello/environments?cursor=nonsense`, {}],
  ["a bad cursor of a history", 400, `${v3}/services/hello/environments/default/history?cursor=nonsense`, {}],
  ["a bad cursor of images", 400, `${v3}/services/hello/images?cursor=nonsense`, {}],
  ["a bad cursor of backends", 400, `${v3}/services/hello/backends?cursor=nonsense`, {}],
  ["a cursor that is too long", 400, `${v3}/services?cursor=${"x".repeat(201)}`, {}],
  ["a query that is not known", 400, `${v3}/services?limits=1`, {}],
  ["a status that does not exist", 400, `${v3}/services/hello/backends?status=running`, {}],
  [
    "an Idempotency-Key that is too long",
    400,
    `${v3}/services`,
    { json: { name: "other" }, headers: { "idempotency-key": "x".repeat(256) } },
  ],
  [
    "an Idempotency-Key that is empty",
    400,
    `${v3}/services`,
    { json: { name: "other" }, headers: { "idempotency-key": "" } },
  ],
  [
    "two Idempotency-Keys",
    400,
    `${v3}/services`,
    { json: { name: "other" }, headers: { "idempotency-key": "a, b" } },
  ],
  [
    "an Idempotency-Key with a space, on connect",
    400,
    connect,
    { json: {}, headers: { "idempotency-key": "a b" } },
  ],
];

describe("bad input", () => {
  test.each(rows)("%s is answered %d and changes nothing", async (_, status, path, request) => {
    const before = await snapshot();
    const adminId = admin.slice(admin.indexOf("_") + 1, admin.indexOf("."));
    const answer = await refusal(path.replace("$admin", adminId), { token: admin, ...request });
    expect({ status: answer.status, inBody: answer.error.status, message: answer.message }).toEqual({
      status,
      inBody: status,
      message: expect.stringMatching(/./),
    });
    expect(await snapshot()).toEqual(before);
  });

  test.each([
    ["a name that is reserved", 400, { name: "service" }],
    ["a name that is no name", 400, { name: "A" }],
    ["no name", 400, {}],
    ["an account that exists", 409, { name: "acme" }],
  ])("an account with %s is answered %d", async (_, status, json) => {
    expect((await refusal("/v3/accounts", { token: env.ROOT_TOKEN, json })).status).toBe(status);
  });
});

describe("the error envelope", () => {
  test("carries the request's id, which is in the header too, and exactly application/json", async () => {
    const response = await send("/v2/service/acme/helo", { token: admin });
    expect(response.headers.get("content-type")).toBe("application/json");
    const { error } = errorEnvelope.parse(await response.json());
    expect(error).toMatchObject({ status: 404, code: "service_not_found" });
    expect(error.id).toMatch(/^[0-9a-f-]{36}$/);
    expect(response.headers.get("x-request-id")).toBe(error.id);
  });

  test("names the fields that are wrong", async () => {
    const { message } = await refusal(connect, {
      token: admin,
      json: { key: 1, spawn: { executable: { env: { A: 1 } } } },
    });
    expect(message).toContain("`key`");
    expect(message).toContain("`spawn.executable.env.A`");
  });

  test("says which service was meant", async () => {
    const { message, error } = await refusal("/v2/service/acme/helo", { token: admin });
    expect(message).toContain("`hello`");
    expect(error.nearest_services).toEqual(["hello"]);
  });

  test("is the one for unknown paths too", async () => {
    const { status, code, response } = await refusal("/nowhere");
    expect([status, code]).toEqual([404, "not_found"]);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(response.headers.get("x-request-id")).toMatch(/./);
  });

  test.each([
    ["DELETE", "/v2/service/acme/hello", "GET"],
    ["GET", connect, "POST"],
    ["PUT", `${v3}/clusters/main`, "GET, PATCH, DELETE"],
    ["POST", "/v2/backend/0000000000000/status", "GET, OPTIONS"],
  ])("%s %s is not allowed, and it says what is", async (method, path, allow) => {
    const { status, code, response } = await refusal(path, { method, token: admin });
    expect([status, code]).toEqual([405, "method_not_allowed"]);
    expect(response.headers.get("allow")).toBe(allow);
  });

  test("explains to the CLI why its body may be cut short, and to nobody else", async () => {
    const body = '{"image_tag":"gr\u00fcn';
    const path = "/v2/service/acme/hello/update";
    const cli = await refusal(path, {
      token: admin,
      body,
      headers: { "user-agent": "jamsocket-cli/0.10.7" },
    });
    expect(cli.message).toContain("Content-Length in characters");
    const other = await refusal(path, { token: admin, body });
    expect(other.message).not.toContain("Content-Length");
    expect([cli.status, other.status]).toEqual([400, 400]);
  });

  test("unknown fields are ignored by v1 and v2", async () => {
    const { status, code } = await refusal("/v2/service/acme/hello/update", {
      token: admin,
      json: { image_tag: "v1", colour: "red" },
    });
    expect([status, code]).toEqual([404, "image_not_found"]);
  });
});
