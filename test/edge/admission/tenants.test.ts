import { env } from "cloudflare:workers";
import { describe, expect } from "vitest";
import { z } from "zod";
import type { Action, TokenRole } from "../../../src/domain/credentials/access.ts";
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
import { table } from "../support/route-table.ts";

const digest = `sha256:${"a".repeat(64)}`;

const rolesFor: Record<Action, TokenRole[]> = {
  read: ["admin", "deploy", "spawn", "read"],
  spawn: ["admin", "spawn"],
  deploy: ["admin", "deploy"],
  admin: ["admin"],
  agent: ["agent"],
};

const mounted = routes.flatMap((route) =>
  mountedPaths(route).map((path) => ({ route, path, row: table[`${route.method} ${route.path}`] })),
);
const guarded = mounted.flatMap(({ route, path, row }) => {
  if (!row || row.who === "public" || row.who === "root" || row.who === "any") return [];
  const { who: needs, json } = row;
  return [{ method: route.method, path, needs, ...(json === undefined ? {} : { json }) }];
});

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
  test("no two routes answer to one path", () => {
    const paths = mounted.map(({ route, path }) => `${route.method} ${path.replaceAll(/:[a-z_]+/g, ":")}`);
    expect(paths.length).toBe(new Set(paths).size);
  });

  test.each(mounted.filter(({ row }) => row?.who !== "public"))(
    "$route.method $path is 401 without a token",
    async ({ route, path }) => {
      const answer = await refusal(fill(path, "owner", backendId), { method: route.method });
      expect([answer.status, answer.code]).toEqual([401, "unauthorized"]);
    },
  );

  test.each(mounted.filter(({ row }) => row?.who === "public"))(
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
      const there = await refusalOf(fill(path, "owner", backendId), method, json, intruder.admin);
      const nowhere = await refusalOf(fill(path, "nobody", backendId), method, json, intruder.admin);
      expect(there).toMatchObject({ status: 404, code: "account_not_found" });
      expect(there.message.replace("owner", "nobody")).toBe(nowhere.message);
    },
  );

  test.each(guarded.filter(({ path }) => path.includes(":id")))(
    "gets 404 from $method $path, in the words for a backend that does not exist",
    async ({ method, path, json, needs }) => {
      const token = needs === "agent" ? (tokens["agent of intruder"] ?? "") : intruder.admin;
      const there = await refusalOf(fill(path, "intruder", backendId), method, json, token);
      const nowhere = await refusalOf(fill(path, "intruder", unknownBackend), method, json, token);
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
