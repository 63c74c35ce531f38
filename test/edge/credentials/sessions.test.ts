import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { tokenCacheMs } from "../../../src/domain/limits.ts";
import { routes } from "../../../src/edge/api/routes.ts";
import { createApp } from "../../../src/edge/app.ts";
import { redeemLoginLink, startSession } from "../../../src/edge/credentials/sessions.ts";
import { loginLink, sessionList } from "../../../src/protocol/v3/sessions.ts";
import {
  apiOrigin,
  call,
  createAccount,
  createCluster,
  createToken,
  refusal,
  send,
  type TestAccount,
} from "../../support/worker/api.ts";

/** An isolate of its own, on a clock that the test moves. */
function isolate() {
  const clock = { now: Date.now() };
  const app = createApp(routes, () => clock.now);
  const statusOf = async (path: string, token: string, method = "GET") => {
    const headers = { authorization: `Bearer ${token}` };
    return (await app.fetch(new Request(apiOrigin + path, { method, headers }), env)).status;
  };
  return { clock, statusOf, auth: (token: string) => statusOf("/auth", token) };
}

const idOf = (token: string) => token.slice(token.indexOf("_") + 1, token.indexOf("."));

async function logIn({ name }: TestAccount, accessToken: string, kind: "browser" | "cli" = "cli") {
  const started = await startSession(env, { account: name, tokenId: idOf(accessToken) }, kind, "a client");
  if (!started.ok) throw new Error(started.error.message);
  return started.value;
}

async function makeLink({ name }: TestAccount, token: string, json: object = {}) {
  return call(loginLink, `/v3/accounts/${name}/login-links`, { token, json });
}

const credentialOf = (url: string) => url.slice(`${apiOrigin}/login/`.length);

describe("a session", () => {
  test("is used as the access token that it was made from, with its rights", async () => {
    const account = await createAccount();
    const reader = await createToken(account, { role: "read" });
    const { token } = await logIn(account, reader.secret_token);
    expect(token).toMatch(new RegExp(`^${account.name}_[0-9a-z]{12}\\.[\\w-]{43}$`));
    const auth = await send("/auth", { token });
    expect(await auth.json()).toMatchObject({ status: "ok", accounts: [account.name] });
    const path = `/v3/accounts/${account.name}`;
    expect((await send(`${path}/services`, { token })).status).toBe(200);
    expect((await refusal(`${path}/tokens`, { token })).code).toBe("forbidden");
  });

  test("opens the registry as its access token does", async () => {
    const account = await createAccount();
    const { token } = await logIn(account, account.admin);
    const answer = await send("/v2/", {
      headers: { authorization: `Basic ${btoa(`${account.name}:${token}`)}` },
    });
    expect(answer.status).toBe(200);
  });

  test("is listed to an admin, and ended by one", async () => {
    const account = await createAccount();
    const { token, session } = await logIn(account, account.admin);
    const path = `/v3/accounts/${account.name}/sessions`;
    const listed = await call(sessionList, path, { token: account.admin });
    expect(listed).toEqual({ sessions: [session] });
    expect((await send(`${path}/${session.id}`, { method: "DELETE", token: account.admin })).status).toBe(
      204,
    );
    expect((await refusal("/auth", { token })).status).toBe(401);
    const again = await refusal(`${path}/${session.id}`, { method: "DELETE", token: account.admin });
    expect([again.status, again.code]).toEqual([404, "session_not_found"]);
  });

  test("of another account is not found by an admin", async () => {
    const [owner, intruder] = [await createAccount(), await createAccount()];
    const { token, session } = await logIn(owner, owner.admin);
    const ways = [
      [`/user-session/${session.id}/delete`, "POST"],
      [`/v3/accounts/${intruder.name}/sessions/${session.id}`, "DELETE"],
    ] as const;
    for (const [path, method] of ways) {
      const answer = await refusal(path, { method, token: intruder.admin });
      expect([answer.status, answer.code]).toEqual([404, "session_not_found"]);
    }
    expect((await send("/auth", { token })).status).toBe(200);
  });

  test("ends in every isolate once a positive answer is not cached any more, at once where it was ended", async () => {
    const account = await createAccount();
    const { token, session } = await logIn(account, account.admin);
    const [here, there] = [isolate(), isolate()];
    expect([await here.auth(token), await there.auth(token)]).toEqual([200, 200]);
    expect(await here.statusOf(`/user-session/${session.id}/delete`, token, "POST")).toBe(200);
    expect(await here.auth(token)).toBe(401);
    there.clock.now += tokenCacheMs - 1;
    expect(await there.auth(token)).toBe(200);
    there.clock.now += 1;
    expect(await there.auth(token)).toBe(401);
  });

  test("ends with its access token: in the isolate where that was revoked, at once", async () => {
    const account = await createAccount();
    const reader = await createToken(account, { role: "read" });
    const { token } = await logIn(account, reader.secret_token);
    const kept = await logIn(account, account.admin);
    const { statusOf, auth } = isolate();
    for (const each of [token, reader.secret_token, kept.token]) expect(await auth(each)).toBe(200);
    const path = `/v3/accounts/${account.name}/tokens/${reader.id}`;
    expect(await statusOf(path, account.admin, "DELETE")).toBe(204);
    expect([await auth(token), await auth(reader.secret_token), await auth(kept.token)]).toEqual([
      401, 401, 200,
    ]);
  });
});

describe("logging out", () => {
  test("ends the session that requests it, also under /v1", async () => {
    const account = await createAccount();
    const reader = await createToken(account, { role: "read" });
    for (const base of ["", "/v1"]) {
      const { token, session } = await logIn(account, reader.secret_token);
      const answer = await send(`${base}/user-session/${session.id}/delete`, { method: "POST", token });
      expect(await answer.json()).toEqual({ status: "ok" });
      expect((await refusal("/auth", { token })).status).toBe(401);
    }
  });

  test("of an admin ends any session of the account", async () => {
    const account = await createAccount();
    const { token, session } = await logIn(account, account.admin);
    const path = `/user-session/${session.id}/delete`;
    expect((await send(path, { method: "POST", token: account.admin })).status).toBe(200);
    expect((await refusal("/auth", { token })).status).toBe(401);
  });

  test("does not end the session of somebody else, who is answered for like nobody", async () => {
    const account = await createAccount();
    const reader = await createToken(account, { role: "read" });
    const other = await logIn(account, account.admin);
    const mine = await logIn(account, reader.secret_token);
    const refusalOf = async (id: string, token: string) => {
      const { status, code, message } = await refusal(`/user-session/${id}/delete`, {
        method: "POST",
        token,
      });
      return { status, code, message: message.replace(id, "") };
    };
    for (const token of [mine.token, reader.secret_token]) {
      const refused = await refusalOf(other.session.id, token);
      expect(refused).toMatchObject({ status: 404, code: "session_not_found" });
      expect(await refusalOf("000000000000", token)).toEqual(refused);
    }
    expect((await send("/auth", { token: other.token })).status).toBe(200);
  });
});

describe("a login link", () => {
  test("is made by a token of any role, for ten minutes, and logs in as that token's holder", async () => {
    const account = await createAccount();
    const reader = await createToken(account, { role: "read" });
    const before = Date.now();
    const { url, expires_at } = await makeLink(account, reader.secret_token);
    expect(url).toMatch(new RegExp(`^${apiOrigin}/login/${account.name}_[0-9a-z]{12}\\.[\\w-]{43}$`));
    const lasts = Date.parse(expires_at) - before;
    expect(lasts).toBeGreaterThanOrEqual(600_000);
    expect(lasts).toBeLessThan(660_000);

    const logins = await Promise.all([
      redeemLoginLink(env, credentialOf(url), "x".repeat(300)),
      redeemLoginLink(env, credentialOf(url), null),
    ]);
    const [login] = logins.flatMap((result) => (result.ok ? [result.value] : []));
    expect(logins.filter(({ ok }) => ok)).toHaveLength(1);
    expect(login?.session).toMatchObject({ kind: "browser", token_id: reader.id });
    expect(login?.session.user_agent.length).toBeLessThanOrEqual(200);
    expect((await send("/auth", { token: login?.token ?? "" })).status).toBe(200);
    expect((await refusal(`/v3/accounts/${account.name}/tokens`, { token: login?.token ?? "" })).code).toBe(
      "forbidden",
    );
  });

  test("is made by a session too, for the same access token", async () => {
    const account = await createAccount();
    const first = await logIn(account, account.admin, "browser");
    const { url } = await makeLink(account, first.token);
    const second = await redeemLoginLink(env, credentialOf(url), null);
    expect(second).toMatchObject({ ok: true, value: { session: { token_id: idOf(account.admin) } } });
  });

  test.each(["", "x", "acme_0.x", `nobody_${"0".repeat(12)}.${"A".repeat(43)}`])(
    "that reads `%s` is refused in the words for one that was used",
    async (credential) => {
      const refused = await redeemLoginLink(env, credential, null);
      expect(refused).toMatchObject({ ok: false, error: { code: "login_link_not_found" } });
      const account = await createAccount();
      const used = credentialOf((await makeLink(account, account.admin)).url);
      await redeemLoginLink(env, used, null);
      expect(await redeemLoginLink(env, used, null)).toEqual(refused);
    },
  );

  test("is no access token", async () => {
    const account = await createAccount();
    const { url } = await makeLink(account, account.admin);
    expect((await refusal("/auth", { token: credentialOf(url) })).status).toBe(401);
  });

  test.each([
    { expires_in_seconds: 59 },
    { expires_in_seconds: 86_401 },
    { expires_in_seconds: 60.5 },
    { x: 1 },
  ])("is not made of %j", async (json) => {
    const account = await createAccount();
    const answer = await refusal(`/v3/accounts/${account.name}/login-links`, {
      token: account.admin,
      json,
    });
    expect([answer.status, answer.code]).toEqual([400, "bad_request"]);
  });

  test("is not made by a cluster's agent, nor for another account", async () => {
    const [account, other] = [await createAccount(), await createAccount()];
    const { agent_token } = await createCluster(account);
    const path = `/v3/accounts/${account.name}/login-links`;
    const asAgent = await refusal(path, { token: agent_token, json: {} });
    expect([asAgent.status, asAgent.code]).toEqual([403, "forbidden"]);
    const asOther = await refusal(path, { token: other.admin, json: {} });
    expect([asOther.status, asOther.code]).toEqual([404, "account_not_found"]);
  });

  test("that was made in a session ends with it", async () => {
    const account = await createAccount();
    const { token, session } = await logIn(account, account.admin);
    const [used, unused] = [await makeLink(account, token), await makeLink(account, token)];
    expect((await redeemLoginLink(env, credentialOf(used.url), null)).ok).toBe(true);
    const path = `/v3/accounts/${account.name}/sessions/${session.id}`;
    expect((await send(path, { method: "DELETE", token: account.admin })).status).toBe(204);
    const refused = await redeemLoginLink(env, credentialOf(unused.url), null);
    expect(refused).toMatchObject({ ok: false, error: { code: "login_link_not_found" } });
  });

  test("is shown again to a repeated request of the same token, and to no other", async () => {
    const account = await createAccount();
    const reader = await createToken(account, { role: "read" });
    const path = `/v3/accounts/${account.name}/login-links`;
    const headers = { "idempotency-key": "again" };
    const first = await call(loginLink, path, { token: account.admin, json: {}, headers });
    expect(await call(loginLink, path, { token: account.admin, json: {}, headers })).toEqual(first);
    const others = await call(loginLink, path, { token: reader.secret_token, json: {}, headers });
    expect(others.url).not.toBe(first.url);
    expect((await redeemLoginLink(env, credentialOf(first.url), null)).ok).toBe(true);
  });
});
