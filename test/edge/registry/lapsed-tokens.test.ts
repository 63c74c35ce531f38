import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, vi } from "vitest";
import { registryTokenSeconds, uploadExpiresMs } from "../../../src/domain/limits.ts";
import { routes } from "../../../src/edge/api/routes.ts";
import { createApp } from "../../../src/edge/app.ts";
import { endpoints } from "../../../src/edge/registry/endpoints.ts";
import { accountStub } from "../../../src/objects/stubs.ts";
import { registryTokenAnswer } from "../../../src/protocol/oci/token-authentication.ts";
import { apiOrigin, createAccount, createService, createToken } from "../../support/worker/api.ts";
import { basic, sha, someBytes } from "../../support/worker/registry.ts";
import { clockTest } from "../../support/worker/worker-test.ts";

/* An upload that takes longer than the registry token is good that it was begun with: its requests come with that token. */

const methods = ["GET", "PATCH", "PUT", "DELETE"] as const;
type Method = (typeof methods)[number];
const done: Record<Method, number> = { GET: 204, PATCH: 202, PUT: 201, DELETE: 204 };
const expiryMs = registryTokenSeconds * 1000;
const actor = { tokenId: "0", tokenName: "of a test" };

const passTime = (ms: number) => void vi.setSystemTime(Date.now() + ms);

/** An account with an access token that pushes, and its client. */
async function makeWorld() {
  const account = await createAccount();
  await createService(account);
  await createService(account, "other");
  const app = createApp(routes, () => Date.now());
  const base = `/v2/${account.name}/hello`;
  const bytes = someBytes(10);

  async function send(path: string, method: string, authorization: string | null, body?: BodyInit) {
    const headers = authorization === null ? {} : { authorization };
    const init = { method, headers, ...(body === undefined ? {} : { body }) };
    return app.fetch(new Request(`${apiOrigin}${path}`, init), env);
  }

  /** @returns the registry token's `Authorization` */
  async function grant(secret: string, scope = "hello:pull,push"): Promise<string> {
    const path = `/v2/token?scope=repository:${account.name}/${scope}`;
    const answer = await send(path, "GET", basic(account.name, secret));
    return `Bearer ${registryTokenAnswer.parse(await answer.json()).token}`;
  }

  const { id, secret_token: secret } = await createToken(account, { role: "deploy" });
  return {
    account,
    base,
    id,
    secret,
    grant,
    send,
    /** @returns the upload's location */
    async begin(authorization: string): Promise<string> {
      const begun = await send(`${base}/blobs/uploads/`, "POST", authorization);
      expect(begun.status).toBe(202);
      return begun.headers.get("location") ?? "";
    },
    /** One request of an upload, as a client sends it with all of its bytes. */
    async goOn(location: string, method: Method, authorization: string | null): Promise<Response> {
      const path = method === "PUT" ? `${location}?digest=${await sha(bytes)}` : location;
      const body = method === "PATCH" || method === "PUT" ? bytes : undefined;
      return send(path, method, authorization, body);
    },
    /** Changes the access token: nothing does yet. */
    narrow: (set: string) =>
      runInDurableObject(accountStub(env, account.name), (_, { storage }) =>
        storage.sql.exec(`UPDATE tokens SET ${set} WHERE id = ?`, id).toArray(),
      ),
  };
}
type World = Awaited<ReturnType<typeof makeWorld>>;

const test = clockTest.extend("world", ({ clock: _ }) => makeWorld());

describe.each(methods)("a registry token that has expired, and %s of the upload that it began", (method) => {
  test("goes on with it", async ({ world }) => {
    const token = await world.grant(world.secret);
    const location = await world.begin(token);
    passTime(expiryMs + 1000);
    expect((await world.goOn(location, method, token)).status).toBe(done[method]);
  });

  test("goes on with it where the token was granted since", async ({ world }) => {
    const location = await world.begin(await world.grant(world.secret));
    passTime(expiryMs / 2);
    const token = await world.grant(world.secret);
    passTime(expiryMs + 1000);
    expect((await world.goOn(location, method, token)).status).toBe(done[method]);
  });

  /** Gives another token, or does something to that which began the upload. */
  const refused: [why: string, (world: World, token: string) => Promise<string | null>][] = [
    ["without it", async () => null],
    [
      "whose access token is revoked",
      async ({ account, id }, token) => {
        await accountStub(env, account.name).deleteToken(id, { actor });
        return token;
      },
    ],
    [
      "whose access token may only read now",
      async ({ narrow }, token) => {
        await narrow("role = 'read'");
        return token;
      },
    ],
    [
      "whose access token is of another service now",
      async ({ narrow }, token) => {
        await narrow("service = 'other'");
        return token;
      },
    ],
    [
      "of another access token",
      async ({ account, grant }) => grant((await createToken(account, { role: "deploy" })).secret_token),
    ],
    ["of an administrator", ({ account, grant }) => grant(account.admin)],
    ["for another repository", ({ grant, secret }) => grant(secret, "other:pull,push")],
    ["for pulls", ({ grant, secret }) => grant(secret, "hello:pull")],
    [
      "of another account",
      async () => {
        const other = await createAccount();
        const path = `${apiOrigin}/v2/token?scope=repository:${other.name}/hello:push`;
        const headers = { authorization: basic(other.name, other.admin) };
        const app = createApp(routes, () => Date.now());
        const answer = await app.fetch(new Request(path, { headers }), env);
        return `Bearer ${registryTokenAnswer.parse(await answer.json()).token}`;
      },
    ],
    ["that nobody signed", async (_, token) => `${token.slice(0, -8)}AAAAAAAA`],
  ];

  test.for(refused)("is refused %s, and the upload stays as it was", async ([_, change], { world }) => {
    const token = await world.grant(world.secret);
    const location = await world.begin(token);
    const presented = await change(world, token);
    passTime(expiryMs + 1000);
    const answer = await world.goOn(location, method, presented);
    expect(answer.status).toBe(401);
    const challenge = answer.headers.get("www-authenticate") ?? "";
    expect(challenge.includes('error="invalid_token"')).toBe(presented !== null);
    const still = await world.goOn(location, "GET", basic(world.account.name, world.account.admin));
    expect([still.status, still.headers.get("range")]).toEqual([204, "0-0"]);
  });

  test("is refused where it expired before the upload began", async ({ world }) => {
    const token = await world.grant(world.secret);
    passTime(expiryMs + 1000);
    const location = await world.begin(await world.grant(world.secret));
    expect((await world.goOn(location, method, token)).status).toBe(401);
  });

  test("is refused a day after it expired, also where the upload goes on", async ({ world }) => {
    const token = await world.grant(world.secret);
    const location = await world.begin(token);
    for (const ms of [expiryMs, uploadExpiresMs / 2, uploadExpiresMs / 2]) {
      passTime(ms);
      await world.send(location, "PATCH", basic(world.account.name, world.secret), "");
    }
    expect((await world.goOn(location, method, token)).status).toBe(401);
  });

  test("is refused for an upload that is not there", async ({ world }) => {
    const token = await world.grant(world.secret);
    const location = await world.begin(token);
    await world.goOn(location, "DELETE", token);
    passTime(expiryMs + 1000);
    expect((await world.goOn(location, method, token)).status).toBe(401);
  });
});

test("a registry token that has expired is refused at every other endpoint", async ({ world }) => {
  const token = await world.grant(world.secret, "hello:pull,push,delete");
  const location = await world.begin(token);
  const id = location.split("/").pop() ?? "";
  passTime(expiryMs + 1000);
  const others = endpoints.flatMap(({ path, methods: known }) =>
    Object.keys(known).flatMap((method) => (path.endsWith("/:id") ? [] : [[method, path] as const])),
  );
  expect(others.length).toBeGreaterThan(10);
  for (const [method, path] of [...others, ["GET", "/v2/"] as const]) {
    const filled = path
      .replace("/v2/:name", world.base)
      .replace(/:(digest|reference)/, `sha256:${"0".repeat(64)}`);
    const answer = await world.send(filled, method, token);
    expect([method, path, answer.status]).toEqual([method, path, 401]);
  }
  expect((await world.goOn(`${world.base}/blobs/uploads/${id}`, "GET", token)).status).toBe(204);
});

test("a request that was let in before its token expired is answered as if it had not", async ({ world }) => {
  const token = await world.grant(world.secret);
  const location = await world.begin(token);
  const { readable, writable } = new IdentityTransformStream();
  const answer = world.send(location, "PATCH", token, readable);
  const writer = writable.getWriter();
  await writer.write(someBytes(10));
  passTime(expiryMs + 1000);
  await writer.close();
  expect((await answer).status).toBe(202);
});
