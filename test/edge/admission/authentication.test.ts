import { env, exports } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { tokenCacheMs } from "../../../src/domain/limits.ts";
import { routes } from "../../../src/edge/api/routes.ts";
import { createApp } from "../../../src/edge/app.ts";
import { apiOrigin, createAccount, createToken, refusal, send } from "../../support/worker/api.ts";

/** An app of its own isolate state, on a clock that the test moves. */
function appWithClock() {
  const clock = { now: Date.now() };
  const app = createApp(routes, () => clock.now);
  const auth = async (token: string) => {
    const request = new Request(`${apiOrigin}/auth`, { headers: { authorization: `Bearer ${token}` } });
    return (await app.fetch(request, env)).status;
  };
  return { clock, auth };
}

describe("access tokens", () => {
  const neverMade = `acme_${"0".repeat(12)}.${"A".repeat(43)}`;
  test.each([
    ["no header", {}],
    ["another scheme", { authorization: "Basic YTpi" }],
    ["no token after the scheme", { authorization: "Bearer " }],
    ["a token without a period", { authorization: "Bearer nonsense" }],
    ["a token of an account that does not exist", { authorization: `Bearer ${neverMade}` }],
    ["two tokens", { authorization: `Bearer ${neverMade} ${neverMade}` }],
  ])("%s is answered 401 with a challenge", async (_, headers) => {
    const { status, code, response } = await refusal("/auth", { headers });
    expect([status, code]).toEqual([401, "unauthorized"]);
    expect(response.headers.get("www-authenticate")).toBe("Bearer");
  });

  test("a token with a wrong secret is answered like an unknown one", async () => {
    const { admin } = await createAccount();
    const wrong = admin.slice(0, admin.indexOf(".") + 1) + "A".repeat(43);
    const first = await refusal("/auth", { token: wrong });
    const second = await refusal("/auth", { token: neverMade });
    expect(first.message).toBe(second.message);
    expect(first.status).toBe(401);
  });

  test("the name of the scheme is read in any case", async () => {
    const { admin } = await createAccount();
    expect((await send("/auth", { headers: { authorization: `bearer ${admin}` } })).status).toBe(200);
  });

  test("a token of any role learns whose it is, also under /v1", async () => {
    const account = await createAccount();
    const { secret_token } = await createToken(account, { role: "read" });
    for (const path of ["/auth", "/v1/auth"]) {
      const response = await send(path, { token: secret_token });
      expect(await response.json()).toEqual({ status: "ok", accounts: [account.name], is_admin: false });
    }
  });

  test("a revoked token works for at most the time that a positive answer is cached", async () => {
    const account = await createAccount();
    const { id, secret_token } = await createToken(account, { role: "read" });
    const { clock, auth } = appWithClock();
    expect(await auth(secret_token)).toBe(200);
    const path = `/v3/accounts/${account.name}/tokens/${id}`;
    expect((await send(path, { method: "DELETE", token: account.admin })).status).toBe(204);
    clock.now += tokenCacheMs - 1;
    expect(await auth(secret_token)).toBe(200);
    clock.now += 1;
    expect(await auth(secret_token)).toBe(401);
  });

  test("a refusal is not cached", async () => {
    const { auth } = appWithClock();
    const first = await createAccount();
    const unknown = first.admin.replace(first.name, `${first.name}-later`);
    expect(await auth(unknown)).toBe(401);
    expect(await auth(first.admin)).toBe(200);
  });

  test("a cached token ends with its expiry", async () => {
    const account = await createAccount();
    const { secret_token, expires_at } = await createToken(account, { role: "read", expires_in_seconds: 5 });
    const { clock, auth } = appWithClock();
    expect(await auth(secret_token)).toBe(200);
    clock.now = Date.parse(expires_at ?? "") - 1;
    expect(await auth(secret_token)).toBe(200);
    await send(`/v3/accounts/${account.name}/tokens/${secret_token.split("_")[1]?.split(".")[0]}`, {
      method: "DELETE",
      token: account.admin,
    });
    clock.now += 1;
    expect(await auth(secret_token)).toBe(401);
  });
});

describe("the root token", () => {
  test.each([
    ["none", undefined],
    ["a wrong one", "root-token-of-the-testz"],
    ["a shorter one", "root"],
  ])("with %s no account is created", async (_, token) => {
    const request = { json: { name: "intruder" }, ...(token === undefined ? {} : { token }) };
    expect((await refusal("/v3/accounts", request)).status).toBe(401);
  });

  test("an account's admin token does not create accounts", async () => {
    const { admin } = await createAccount();
    expect((await refusal("/v3/accounts", { token: admin, json: { name: "more" } })).status).toBe(401);
  });

  test("an empty root token opens nothing", async () => {
    const request = new Request(`${apiOrigin}/v3/accounts`, {
      method: "POST",
      headers: { authorization: "Basic x" },
      body: JSON.stringify({ name: "intruder" }),
    });
    const answer = await createApp(routes).fetch(request, { ...env, ROOT_TOKEN: "" });
    expect(answer.status).toBe(401);
  });

  test("creates an account whose token works", async () => {
    const { admin } = await createAccount();
    const request = new Request(`${apiOrigin}/auth`, { headers: { authorization: `Bearer ${admin}` } });
    expect((await exports.default.fetch(request)).status).toBe(200);
  });
});
