import { env } from "cloudflare:workers";
import { describe, expect } from "vitest";
import { z } from "zod";
import type { TokenRole } from "../../../src/domain/credentials/access.ts";
import { mountedPaths } from "../../../src/edge/api/route.ts";
import { routes } from "../../../src/edge/api/routes.ts";
import { connectAnswer } from "../../../src/protocol/jamsocket/v2.ts";
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
import { clusterTest as test } from "../../support/worker/worker-test.ts";

/** Who may call a route, written down apart from the route itself: a new route must be given a row here. */
type Row =
  | "public"
  | "root"
  | "any"
  | { needs: "read" | "spawn" | "deploy" | "admin" | "agent"; json?: unknown };

const digest = `sha256:${"a".repeat(64)}`;
const service = "/v3/accounts/:account/services/:service";
const environment = `${service}/environments/:environment`;

const table: Record<string, Row> = {
  "GET /auth": "any",
  "POST /user/:account/service": { needs: "deploy", json: { name: "stolen" } },
  "GET /user/:account/services": { needs: "read" },
  "GET /service/:account/:service/image-name": { needs: "read" },
  "POST /user/:account/service/:service/spawn": { needs: "spawn", json: {} },
  "GET /user/:account/backends": { needs: "read" },
  "GET /backend/:id/status": "public",
  "GET /backend/:id/status/stream": "public",
  "GET /backend/:id/logs": { needs: "read" },
  "POST /backend/:id/terminate": { needs: "spawn" },
  "POST /service/:account/:service/terminate-backends": { needs: "spawn", json: { hard: true } },
  "POST /user-session/:session_id/delete": "any",
  "POST /cli-login": "public",
  "GET /cli-login/:login/status/stream": "public",
  "POST /cli-login/:login/complete": "public",

  "POST /v2/account/:account/service": { needs: "deploy", json: { name: "stolen" } },
  "GET /v2/account/:account/services": { needs: "read" },
  "GET /v2/account/:account/backends": { needs: "read" },
  "GET /v2/service/:account/:service": { needs: "read" },
  "POST /v2/service/:account/:service/delete": { needs: "admin" },
  "GET /v2/service/:account/:service/images": { needs: "read" },
  "POST /v2/service/:account/:service/update": { needs: "deploy", json: { image_tag: "v1" } },
  "POST /v2/service/:account/:service/:environment/update": { needs: "deploy", json: { image_tag: "v1" } },
  "POST /v2/service/:account/:service/connect": { needs: "spawn", json: {} },
  "POST /v2/service/:account/:service/:environment/connect": { needs: "spawn", json: {} },
  "GET /v2/backend/:id": { needs: "read" },
  "GET /v2/backend/:id/status": "public",
  "GET /v2/backend/:id/status/stream": "public",
  "GET /v2/backend/:id/logs/stream": { needs: "read" },
  "GET /v2/backend/:id/metrics/stream": { needs: "read" },
  "POST /v2/backend/:id/terminate": { needs: "spawn", json: {} },

  "POST /v3/accounts": "root",
  "GET /v3/accounts/:account/tokens": { needs: "admin" },
  "POST /v3/accounts/:account/tokens": { needs: "admin", json: { name: "stolen", role: "admin" } },
  "DELETE /v3/accounts/:account/tokens/:token_id": { needs: "admin" },
  "GET /v3/accounts/:account/sessions": { needs: "admin" },
  "DELETE /v3/accounts/:account/sessions/:session_id": { needs: "admin" },
  "POST /v3/accounts/:account/login-links": "any",
  "GET /v3/accounts/:account/clusters": { needs: "read" },
  "POST /v3/accounts/:account/clusters": {
    needs: "admin",
    json: { name: "stolen", webhook_url: "https://cluster.test/" },
  },
  "GET /v3/accounts/:account/clusters/:cluster": { needs: "read" },
  "PATCH /v3/accounts/:account/clusters/:cluster": {
    needs: "admin",
    json: { webhook_url: "https://thief.test/" },
  },
  "DELETE /v3/accounts/:account/clusters/:cluster": { needs: "admin" },
  "POST /v3/accounts/:account/clusters/:cluster/rotate-secret": { needs: "admin", json: {} },
  "POST /v3/accounts/:account/clusters/:cluster/test": { needs: "admin" },
  "GET /v3/accounts/:account/clusters/:cluster/deliveries": { needs: "read" },
  "POST /v3/accounts/:account/clusters/:cluster/deliveries/:delivery/redeliver": { needs: "admin" },
  "GET /v3/accounts/:account/events": { needs: "read" },
  "GET /v3/accounts/:account/services": { needs: "read" },
  "POST /v3/accounts/:account/services": { needs: "deploy", json: { name: "stolen" } },
  [`GET ${service}`]: { needs: "read" },
  [`PATCH ${service}`]: { needs: "deploy", json: { default_environment: "default" } },
  [`DELETE ${service}`]: { needs: "admin" },
  [`GET ${service}/backends`]: { needs: "read" },
  [`GET ${service}/usage`]: { needs: "read" },
  [`GET ${service}/terminations`]: { needs: "read" },
  [`GET ${service}/terminations/:termination`]: { needs: "read" },
  [`POST ${service}/terminations`]: { needs: "spawn", json: { hard: true } },
  [`GET ${service}/environments`]: { needs: "read" },
  [`POST ${service}/environments`]: { needs: "deploy", json: { name: "stolen" } },
  [`GET ${environment}`]: { needs: "read" },
  [`PATCH ${environment}`]: { needs: "deploy", json: { cluster: null } },
  [`DELETE ${environment}`]: { needs: "admin" },
  [`PUT ${environment}/pin`]: { needs: "deploy", json: { image: "v1" } },
  [`GET ${environment}/history`]: { needs: "read" },
  [`GET ${environment}/resolve`]: { needs: "read" },
  [`GET ${service}/images`]: { needs: "read" },
  [`POST ${service}/images`]: { needs: "deploy", json: { digest, tag: "stolen" } },
  [`POST ${service}/registry-events`]: { needs: "deploy", json: { events: [] } },
  [`GET ${service}/images/:digest`]: { needs: "read" },
  [`DELETE ${service}/images/:digest`]: { needs: "admin" },
  "POST /v3/agent/backends/:id/status": { needs: "agent", json: { status: "terminated", fencing_token: 1 } },
  "POST /v3/agent/heartbeat": {
    needs: "agent",
    json: { cluster: "main", agent_id: "a", version: "1", backends: [] },
  },

  "GET /ready/:id/:token": "public",
  "GET /ready/:id": "public",
  "GET /.well-known/jwks.json": "public",
  "GET /healthz": "public",
  "GET /v3/openapi.json": "public",
};

const rolesFor: Record<"read" | "spawn" | "deploy" | "admin" | "agent", TokenRole[]> = {
  read: ["admin", "deploy", "spawn", "read"],
  spawn: ["admin", "spawn"],
  deploy: ["admin", "deploy"],
  admin: ["admin"],
  agent: ["agent"],
};

const mounted = routes.flatMap((route) =>
  mountedPaths(route).map((path) => ({ route, path, row: table[`${route.method} ${route.path}`] })),
);
const guarded = mounted.flatMap(({ route, path, row }) =>
  typeof row === "object" ? [{ method: route.method, path, ...row }] : [],
);

let owner: TestAccount;
let intruder: TestAccount;
let backendId: string;
const tokens: Record<string, string> = {};
const unknownBackend = "0000000000000";

test.beforeAll(async ({ cluster: _ }) => {
  owner = await createAccount("owner");
  intruder = await createAccount("intruder");
  for (const account of [owner, intruder]) {
    const cluster = await createCluster(account);
    tokens[`agent of ${account.name}`] = cluster.agent_token;
    const path = await createService(account);
    await createService(account, "other");
    const recorded = await send(`${path}/images`, { token: account.admin, json: { digest, tag: "latest" } });
    expect(recorded.status).toBe(201);
  }
  for (const role of ["admin", "deploy", "spawn", "read"] as const) {
    tokens[role] = (await createToken(owner, { role })).secret_token;
    tokens[`${role} of another service`] = (
      await createToken(owner, { role, service: "other" })
    ).secret_token;
    tokens[`${role} of another environment`] = (
      await createToken(owner, { role, service: "hello", environments: ["prod"] })
    ).secret_token;
  }
  tokens.agent = tokens["agent of owner"] ?? "";
  const connected = await call(connectAnswer, "/v2/service/owner/hello/connect", {
    token: owner.admin,
    json: {},
  });
  backendId = connected.backend_id;
});

function fill(path: string, account: string, id: string): string {
  const values: Record<string, string> = {
    account,
    id,
    service: "hello",
    environment: "default",
    cluster: "main",
    digest,
    token_id: "000000000000",
  };
  return path.replaceAll(/:([a-z_]+)/g, (_, name: string) => values[name] ?? "x");
}

const request = (method: string, json: unknown, token: string) => ({
  method,
  token,
  ...(json === undefined ? {} : { json }),
});

describe("the table of routes", () => {
  test("has a row in this test for every route, and none for others", () => {
    const names = routes.map(({ method, path }) => `${method} ${path}`);
    expect([...names].sort()).toEqual(Object.keys(table).sort());
    expect(names.length).toBe(new Set(names).size);
  });

  test("no two routes answer to one path", () => {
    const paths = mounted.map(({ route, path }) => `${route.method} ${path.replaceAll(/:[a-z_]+/g, ":")}`);
    expect(paths.length).toBe(new Set(paths).size);
  });

  test.each(mounted.filter(({ row }) => row === "root" || row === "any" || typeof row === "object"))(
    "$route.method $path is 401 without a token",
    async ({ route, path }) => {
      const answer = await refusal(fill(path, "owner", backendId), { method: route.method });
      expect([answer.status, answer.code]).toEqual([401, "unauthorized"]);
    },
  );

  test.each(mounted.filter(({ row }) => row === "public"))(
    "$route.method $path requires no token",
    async ({ route, path }) => {
      const response = await send(fill(path, "owner", unknownBackend), { method: route.method });
      expect(response.status).not.toBe(401);
      expect(response.status).not.toBe(403);
    },
  );
});

describe("another account's token", () => {
  const refusalOf = async (path: string, method: string, json: unknown, token: string) => {
    const { status, code, message } = await refusal(path, request(method, json, token));
    return { status, code, message };
  };

  test.each(guarded.filter(({ path }) => path.includes(":account")))(
    "gets 404 from $method $path, in the words for an account that does not exist",
    async ({ method, path, json }) => {
      const there = await refusalOf(fill(path, "owner", ""), method, json, intruder.admin);
      const nowhere = await refusalOf(fill(path, "nobody", ""), method, json, intruder.admin);
      expect(there).toMatchObject({ status: 404, code: "account_not_found" });
      expect(there.message.replace("owner", "nobody")).toBe(nowhere.message);
    },
  );

  test.each(guarded.filter(({ path }) => path.includes(":id")))(
    "gets 404 from $method $path, in the words for a backend that does not exist",
    async ({ method, path, json, needs }) => {
      const token = needs === "agent" ? (tokens["agent of intruder"] ?? "") : intruder.admin;
      const there = await refusalOf(fill(path, "", backendId), method, json, token);
      const nowhere = await refusalOf(fill(path, "", unknownBackend), method, json, token);
      expect(there).toMatchObject({ status: 404, code: "backend_not_found" });
      expect(there.message.replace(backendId, unknownBackend)).toBe(nowhere.message);
    },
  );

  test("has ended nothing, made nothing and changed nothing", async () => {
    const list = z.object({ running_backends: z.array(z.object({ id: z.string() })) });
    const running = await call(list, "/v2/account/owner/backends", { token: owner.admin });
    expect(running.running_backends.map(({ id }) => id)).toEqual([backendId]);
    const services = await send("/v2/account/owner/services", { token: owner.admin });
    expect(await services.json()).toEqual({ services: ["hello", "other"] });
    const cluster = await send("/v3/accounts/owner/clusters/main", { token: owner.admin });
    expect(await cluster.json()).toMatchObject({ webhook_url: "https://cluster.test/hook" });
  });
});

describe("a token out of its scope", () => {
  const roles: TokenRole[] = ["admin", "deploy", "spawn", "read", "agent"];
  const forbiddenRoles = guarded.flatMap((row) =>
    roles.filter((role) => !rolesFor[row.needs].includes(role)).map((role) => ({ ...row, role })),
  );

  test.each(forbiddenRoles)(
    "of the role $role gets 403 from $method $path",
    async ({ role, method, path, json }) => {
      const answer = await refusal(fill(path, "owner", backendId), request(method, json, tokens[role] ?? ""));
      expect([answer.status, answer.code]).toEqual([403, "forbidden"]);
    },
  );

  test.each(guarded.filter(({ needs }) => needs !== "agent"))(
    "narrowed to another service gets 403 from $method $path",
    async ({ method, path, json, needs }) => {
      const token = tokens[`${needs} of another service`] ?? "";
      const answer = await refusal(fill(path, "owner", backendId), request(method, json, token));
      expect([answer.status, answer.code]).toEqual([403, "forbidden"]);
    },
  );

  test.each(guarded.filter(({ path }) => path.includes(":environment")))(
    "narrowed to another environment gets 403 from $method $path",
    async ({ method, path, json, needs }) => {
      const token = tokens[`${needs} of another environment`] ?? "";
      const answer = await refusal(fill(path, "owner", backendId), request(method, json, token));
      expect([answer.status, answer.code]).toEqual([403, "forbidden"]);
    },
  );

  test("narrowed to a backend's own service reaches it", async ({ cluster }) => {
    cluster.alwaysStreams(() => Promise.reject(new TypeError("connection refused")));
    const narrowed = await createToken(owner, { role: "spawn", service: "hello" });
    const answer = await send(`/v2/backend/${backendId}`, { token: narrowed.secret_token });
    expect(answer.status).toBe(200);
    const logs = await refusal(`/v2/backend/${backendId}/logs/stream`, { token: narrowed.secret_token });
    expect([logs.status, logs.code]).toEqual([503, "cluster_unavailable"]);
  });

  test.each([
    ["POST", "/v2/service/owner/hello/connect", {}],
    ["POST", "/user/owner/service/hello/spawn", { service_environment: "default" }],
    ["POST", "/v2/backend/:id/terminate", {}],
    ["POST", "/backend/:id/terminate", {}],
  ])(
    "narrowed to another environment gets 403 from %s %s, which only the object can know",
    async (method, path, json) => {
      const token = tokens["spawn of another environment"] ?? "";
      const answer = await refusal(fill(path, "owner", backendId), request(method, json, token));
      expect([answer.status, answer.code]).toEqual([403, "forbidden"]);
    },
  );

  test("of a cluster does not speak for another cluster", async () => {
    const json = { cluster: "elsewhere", agent_id: "a", version: "1", backends: [] };
    const answer = await refusal("/v3/agent/heartbeat", request("POST", json, tokens.agent ?? ""));
    expect([answer.status, answer.code]).toEqual([403, "forbidden"]);
  });

  test("of an account does not create accounts", async () => {
    expect(env.ROOT_TOKEN).not.toBe(owner.admin);
    const answer = await refusal("/v3/accounts", request("POST", { name: "third" }, owner.admin));
    expect(answer.status).toBe(401);
  });
});
