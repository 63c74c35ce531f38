import { env } from "cloudflare:workers";
import { describe, expect } from "vitest";
import { z } from "zod";
import { mountedPaths } from "../../../src/edge/api/route.ts";
import { routes } from "../../../src/edge/api/routes.ts";
import {
  createAccount,
  createCluster,
  createToken,
  freshName,
  send,
  type TestAccount,
} from "../../support/worker/api.ts";
import { digestOf, pinnedService } from "../../support/worker/pinned-service.ts";
import { clusterTest as test } from "../../support/worker/worker-test.ts";

/*
 * An Idempotency-Key is its caller's own. Whoever repeats another's request with its key gets what they would get with
 * any other key: what they may do is done, what they may not is refused, and nothing of the first answer is shown.
 */

/** A body for every route that takes a key. A new route fails the test of the table until it is here. */
const bodies: Record<string, () => object> = {
  "POST /v3/accounts": () => ({ name: freshName("account") }),
  "POST /v3/accounts/:account/tokens": () => ({ name: "ci", role: "read" }),
  "POST /v3/accounts/:account/login-links": () => ({}),
  "POST /v3/accounts/:account/clusters": () => ({
    name: freshName("cluster"),
    webhook_url: "https://cluster.test/hook",
  }),
  "POST /v3/accounts/:account/clusters/:cluster/rotate-secret": () => ({}),
  "POST /v3/accounts/:account/services": () => ({ name: freshName("service") }),
  "POST /v3/accounts/:account/services/:service/environments": () => ({ name: freshName("environment") }),
  "POST /v3/accounts/:account/services/:service/images": () => ({ digest: digestOf.v1, tag: "v3" }),
  "POST /v3/accounts/:account/services/:service/terminations": () => ({ environment: "prod" }),
  "POST /v3/accounts/:account/services/:service/drains": () => ({ digest: digestOf.v2 }),
  "POST /v2/service/:account/:service/connect": () => ({}),
  "POST /v2/service/:account/:service/:environment/connect": () => ({}),
  "POST /user/:account/service/:service/spawn": () => ({ require_bearer_token: true }),
};

const idempotent = routes.filter((route) => route.idempotent);
const mounted = idempotent.flatMap((route) =>
  mountedPaths(route).map((path) => ({
    path,
    route: `${route.method} ${route.path}`,
    isForRoot: route.access.kind === "root",
  })),
);

let account: TestAccount;
/** Tokens of the account that did not make the first request, by what they may do. */
const others: Record<string, string> = {};

test.beforeAll(async ({ cluster: _ }) => {
  account = await createAccount("acme");
  await createCluster(account);
  const service = await pinnedService(account);
  await service.environment("v1", "staging");
  const json = { default_environment: "prod" };
  expect((await send(service.api, { method: "PATCH", token: account.admin, json })).status).toBe(200);
  for (const role of ["admin", "deploy", "spawn", "read"] as const) {
    const narrowed = { role, service: "hello" } as const;
    others[role] = (await createToken(account, { role })).secret_token;
    others[`${role} of the service`] = (await createToken(account, narrowed)).secret_token;
    const staging = { ...narrowed, environments: ["staging"] };
    others[`${role} of staging`] = (await createToken(account, staging)).secret_token;
  }
});

const fill = (path: string) =>
  path
    .replace(":account", account.name)
    .replace(":service", "hello")
    .replace(":environment", "prod")
    .replace(":cluster", "main");

interface Answer {
  status: number;
  /** Null where it is no failure. */
  code: string | null;
  text: string;
}

async function answerOf(path: string, token: string, json: object, key: string): Promise<Answer> {
  const response = await send(path, { token, json, headers: { "idempotency-key": key } });
  const text = await response.text();
  const { error } = z.object({ error: z.object({ code: z.string() }).optional() }).parse(JSON.parse(text));
  return { status: response.status, code: error?.code ?? null, text };
}

/** What only the caller of the first request may know of its answer. */
function ownOf(text: string): string[] {
  const own: string[] = [];
  JSON.parse(text, (field, value) => {
    if (typeof value === "string" && /token|secret|url|^id$|backend_id/.test(field)) own.push(value);
    return value;
  });
  return own;
}

test("the table has every route that takes an Idempotency-Key", () => {
  const known = idempotent.map(({ method, path }) => `${method} ${path}`);
  expect(Object.keys(bodies).toSorted()).toEqual(known.toSorted());
});

describe.for(mounted)("$path", ({ path, route, isForRoot }) => {
  test("answers another token with the key of the first request as with any other key", async () => {
    const token = isForRoot ? env.ROOT_TOKEN : account.admin;
    const json = bodies[route]?.() ?? expect.fail();
    const key = crypto.randomUUID();
    const first = await answerOf(fill(path), token, json, key);
    expect(first.code).toBeNull();
    for (const [who, other] of Object.entries(others)) {
      const withAnyKey = await answerOf(fill(path), other, json, crypto.randomUUID());
      const withTheKey = await answerOf(fill(path), other, json, key);
      expect([who, withTheKey.status, withTheKey.code]).toEqual([who, withAnyKey.status, withAnyKey.code]);
      const told = ownOf(first.text).filter((own) => withTheKey.text.includes(own));
      // A running termination is joined by whoever requests the same, and so has one id for all of them.
      expect(told.filter((own) => !withAnyKey.text.includes(own))).toEqual([]);
    }
    // And the first is answered as before.
    expect(await answerOf(fill(path), token, json, key)).toEqual(first);
  });
});

describe("a token narrowed to staging", () => {
  test.for(["/v2/service/acme/hello/connect", "/user/acme/service/hello/spawn"])(
    "that repeats an admin's request at %s is refused prod, which the service means without a name",
    async (path) => {
      const key = crypto.randomUUID();
      expect((await answerOf(path, account.admin, {}, key)).code).toBeNull();
      const refused = await answerOf(path, others["spawn of staging"] ?? "", {}, key);
      expect([refused.status, refused.code]).toEqual([403, "forbidden"]);
    },
  );
});
