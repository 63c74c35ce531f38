import { env } from "cloudflare:workers";
import { afterEach, describe, expect, vi } from "vitest";
import { mountedPaths } from "../../../src/edge/api/route.ts";
import { routes } from "../../../src/edge/api/routes.ts";
import { createApp } from "../../../src/edge/app.ts";
import { pages } from "../../../src/edge/pages/pages.ts";
import { endpoints } from "../../../src/edge/registry/endpoints.ts";
import { Login } from "../../../src/objects/login/login.ts";
import { serviceStub } from "../../../src/objects/stubs.ts";
import { cliLoginAnswer } from "../../../src/protocol/jamsocket/login.ts";
import { terminationList } from "../../../src/protocol/v3/terminations.ts";
import {
  apiOrigin,
  call,
  createAccount,
  createService,
  createToken,
  freshName,
  send,
} from "../../support/worker/api.ts";
import { test } from "../../support/worker/page-test.ts";
import { basic, sendOci } from "../../support/worker/registry.ts";
import { formTable } from "../support/form-table.ts";
import { objects, wakeFixedObjects } from "../support/objects.ts";
import { table } from "../support/route-table.ts";
import { digest } from "../support/world.ts";

/** Bodies of routes whose rows make one for something that exists. */
const bodies: Readonly<Record<string, object>> = {
  "POST /cli-login/:login/complete": { code: "0000" },
  "POST /v3/accounts/:account/backends/:id/release": { note: "it was switched off" },
  "POST /v3/accounts/:account/services/:service/drains": { before: "2030-01-01T00:00:00Z" },
};

/** A path whose names nothing has, but for those of `known`. */
async function unknownIn(path: string, known: Readonly<Record<string, string>> = {}): Promise<string> {
  const isLogin = /:login|cli-login\/:token/.test(path);
  const login = isLogin ? (await call(cliLoginAnswer, "/cli-login", { json: {} })).token : "x";
  const values: Record<string, string> = {
    id: "zzzzz00000000",
    digest,
    login,
    token: login,
    token_id: "0".repeat(12),
    session_id: "0".repeat(12),
    ...known,
  };
  return path.replaceAll(/:([a-z_]+)/g, (_, name: string) => values[name] ?? freshName("ghost"));
}

/** Sends a request, and reads the beginning of what it is answered. */
async function settled(answering: Promise<Response>): Promise<number> {
  const { status, body, headers } = await answering;
  // Of all streams only that of a login, which anybody may begin, is of something that is not there.
  if (status === 200 && headers.get("content-type") === "text/event-stream") {
    const reader = body?.getReader();
    const read = reader?.read();
    await vi.waitFor(() => expect(vi.mocked(Login.prototype.waitConfirmed)).toHaveBeenCalled());
    await Promise.allSettled([reader?.cancel(), read]);
  } else {
    await new Response(body).text();
  }
  return status;
}

const named = routes.flatMap((route) => {
  const name = `${route.method} ${route.path}`;
  const row = table[name];
  if (!row || !route.path.includes("/:")) return [];
  const json = bodies[name] ?? (typeof row.json === "function" ? {} : row.json);
  const isOfAccount = !/:(?!account)/.test(route.path);
  const isInService = /:(?!account|service)/.test(route.path);
  return mountedPaths(route).map((path) => ({
    name,
    path,
    method: route.method,
    json,
    isOfAccount,
    isInService,
  }));
});

const operations = endpoints.flatMap(({ path, methods }) =>
  Object.keys(methods).map((method) => ({ name: `${method} ${path}`, method, path })),
);

describe("what names something that is not there leaves no object", () => {
  /** Of the service that exists. */
  let code: string;
  let narrowed: string;

  test.beforeAll(async ({ account, hello }) => {
    code = (await hello.connect()).backend_id.slice(0, 5);
    const scope = { service: "hello", environments: ["prod"] };
    narrowed = (await createToken(account, { role: "admin", ...scope })).secret_token;
    await wakeFixedObjects(account.name, "hello");
    vi.spyOn(Login.prototype, "waitConfirmed");
  });

  test.for(named)(
    "$name",
    async ({ path, method, json, isOfAccount, isInService }, { account, agentToken }) => {
      const before = await objects();
      const tokens = [undefined, account.admin, agentToken, narrowed, env.ROOT_TOKEN];
      for (const token of tokens) {
        const request = {
          method,
          ...(token === undefined ? {} : { token }),
          ...(json === undefined ? {} : { json }),
        };
        await settled(send(await unknownIn(path), request));
        if (isOfAccount) continue;
        const own = { account: account.name };
        await settled(send(await unknownIn(path, own), request));
        if (!isInService) continue;
        await settled(
          send(await unknownIn(path, { ...own, service: "hello", id: `${code}00000000` }), request),
        );
      }
      expect(await objects()).toEqual(before);
    },
  );

  test.for(operations)("$name", async ({ path, method }, { account }) => {
    const before = await objects();
    const authorization = basic(account.name, account.admin);
    for (const name of [`${account.name}/ghost`, "ghosts/hello", "ghosts/ghost"]) {
      const filled = await unknownIn(path, { name, reference: "v1" });
      for (const credential of [{}, { authorization }]) {
        const query = `?digest=${digest}&mount=${digest}&from=${account.name}/phantom`;
        await settled(sendOci(filled + query, { method, ...credential }));
      }
    }
    expect(await objects()).toEqual(before);
  });

  test.for(pages.filter(({ path }) => path.includes(":")))(
    "the page $path",
    async ({ path }, { account, admin }) => {
      const before = await objects();
      const visited = await unknownIn(path, { account: account.name });
      await admin.visit(visited);
      await admin.visit(`${visited}?live=`, { accept: "application/json" });
      for (const [form, { fields }] of Object.entries(formTable)) {
        const [of = "", button = ""] = form.split(" ");
        if (of !== path || path.includes("cli-login")) continue;
        const filled = typeof fields === "object" ? fields : { delivery: "x", note: "x" };
        await admin.submit(visited, button, filled);
      }
      expect(await objects()).toEqual(before);
    },
  );

  test("in a body or a query either", async ({ account, hello }) => {
    const before = await objects();
    const token = account.admin;
    const below = `/v3/accounts/${account.name}`;
    const connect = `/v2/service/${account.name}/hello/prod/connect`;
    for (const [path, json] of [
      [connect, { spawn: { cluster: "ghost" } }],
      [connect, { spawn: { tag: "ghost" } }],
      [`${hello.api}/environments`, { name: "made", cluster: "ghost" }],
      [`${hello.api}/terminations`, { environment: "ghost" }],
    ] as const) {
      expect(await settled(send(path, { token, json }))).toBeGreaterThanOrEqual(400);
    }
    for (const query of ["events?service=ghost", "events?service=ghost&environment=ghost"]) {
      expect(await settled(send(`${below}/${query}`, { token }))).toBe(200);
    }
    const upload = `/v2/${account.name}/hello/blobs/uploads/?mount=${digest}&from=${account.name}/ghost`;
    const authorization = basic(account.name, token);
    await settled(sendOci(upload, { method: "POST", authorization }));
    expect(await objects()).toEqual(before);
  });

  test("however many logins somebody begins", async () => {
    const before = await objects();
    for (let begun = 0; begun < 40; begun++) {
      expect(await settled(send(await unknownIn("/cli-login/:login/status/stream")))).toBe(200);
    }
    expect(await objects()).toEqual(before);
  });
});

describe("a service that is there", () => {
  afterEach(() => void vi.restoreAllMocks());

  test("is looked for once by an isolate, and in the call that authenticates", async ({ account, hello }) => {
    expect((await hello.connect()).status).toBeDefined();
    await createService(account, "second");
    const app = createApp(routes);
    const accounts = vi.spyOn(env.ACCOUNT, "getByName");
    const callsOf = async (path: string) => {
      accounts.mockClear();
      const headers = { authorization: `Bearer ${account.admin}` };
      const request = new Request(`${apiOrigin}/v2/service/${account.name}/${path}`, {
        method: "POST",
        headers,
        body: "{}",
      });
      await (await app.fetch(request, env)).text();
      return accounts.mock.calls.length;
    };
    expect(await callsOf("hello/prod/connect")).toBe(1);
    expect(await callsOf("hello/prod/connect")).toBe(0);
    expect(await callsOf("second/connect")).toBe(1);
    expect(await callsOf("second/connect")).toBe(0);
  });

  test("and was deleted still shows the terminations of its backends, in an isolate that never saw it", async () => {
    const account = await createAccount();
    const path = await createService(account);
    const token = account.admin;
    await serviceStub(env, account.name, "hello").createTermination(
      { hard: true },
      {
        actor: { tokenId: "x", tokenName: "x" },
        registryHost: "",
      },
    );
    expect((await send(path, { method: "DELETE", token })).status).toBe(204);
    const request = new Request(`${apiOrigin}${path}/terminations`, {
      headers: { authorization: `Bearer ${token}` },
    });
    const answer = await createApp(routes).fetch(request, env);
    expect([answer.status, terminationList.safeParse(await answer.json()).success]).toEqual([200, true]);
  });
});
