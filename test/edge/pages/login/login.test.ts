import { describe, expect, onTestFinished, vi } from "vitest";
import { sessionList } from "../../../../src/protocol/v3/sessions.ts";
import { call, createToken, send } from "../../../support/worker/api.ts";
import { hiddenField, loggedIn, type PageClient, pageClient } from "../../../support/worker/page-client.ts";
import { test as pageTest } from "../../../support/worker/page-test.ts";

const test = pageTest
  /** Lists the live logins of the account. */
  .extend("sessions", { scope: "file" }, ({ account }) => async () => {
    const path = `/v3/accounts/${account.name}/sessions?limit=200`;
    return (await call(sessionList, path, { token: account.admin })).sessions;
  });

const week = 7 * 24 * 3600;

/** Logs in as a person does, by the form. */
async function logIn(client: PageClient, token: string, path = "/login") {
  const { html } = await client.visit(path);
  const next = hiddenField(html, "next").replaceAll("&amp;", "&").replaceAll("&quot;", '"');
  const fields = { csrf: hiddenField(html, "csrf"), next, token };
  return client.post("/login", fields);
}

describe("logging in by an access token", () => {
  test("gives the browser a session of its own, which no script reads and no other site's form sends", async ({
    account,
    sessions,
  }) => {
    const client = pageClient();
    const before = Date.now();
    const { status, location, cookies, headers } = await logIn(client, ` ${account.admin}\n`);
    expect([status, location, headers.get("cache-control")]).toEqual([303, "/", "no-store"]);
    const cookie = cookies.get("slipway_session") ?? "";
    expect(cookie).toMatch(/; Max-Age=\d+; Path=\/; HttpOnly; SameSite=Lax$/);
    expect(cookie).not.toContain(account.admin);
    const [session] = await sessions();
    expect(session).toMatchObject({ kind: "browser" });
    const seconds = Number(/Max-Age=(\d+)/.exec(cookie)?.[1]);
    expect(before + seconds * 1000).toBeLessThanOrEqual(Date.parse(session?.expires_at ?? ""));
    expect(seconds).toBeGreaterThan(week - 60);
    expect((await client.visit("/")).html).toContain(`${account.name} as first admin`);
  });

  test("over https sets cookies that are for https and for this host alone", async ({ account }) => {
    const client = pageClient("https://app.test");
    const form = await client.visit("/login");
    const done = await logIn(client, account.admin);
    for (const [name, text] of [...form.cookies, ...done.cookies]) {
      expect(name).toMatch(/^__Host-slipway_(visitor|session)$/);
      expect(text).toMatch(/; Path=\/; HttpOnly; Secure; SameSite=Lax$/);
      expect(text).not.toMatch(/domain/i);
    }
    expect(client.jar.has("__Host-slipway_session")).toBe(true);
    expect((await client.visit("/")).status).toBe(200);
    client.jar.set("slipway_session", account.admin);
    client.jar.delete("__Host-slipway_session");
    expect((await client.visit("/")).location).toBe("/login");
  });

  test("lasts no longer than the access token does", async ({ account }) => {
    const { secret_token } = await createToken(account, { role: "read", expires_in_seconds: 120 });
    const { cookies } = await logIn(pageClient(), secret_token);
    const seconds = Number(/Max-Age=(\d+)/.exec(cookies.get("slipway_session") ?? "")?.[1]);
    expect(seconds).toBeLessThanOrEqual(120);
    expect(seconds).toBeGreaterThan(60);
  });

  test("is refused alike for tokens that are malformed, unknown or revoked, and makes no session", async ({
    account,
    sessions,
  }) => {
    const revoked = await createToken(account, { role: "read" });
    const path = `/v3/accounts/${account.name}/tokens/${revoked.id}`;
    await send(path, { method: "DELETE", token: account.admin });
    const before = (await sessions()).length;
    const unknown = account.admin.replace(/\..*/, `.${"A".repeat(43)}`);
    for (const token of ["", "x", "root-token-of-the-tests", unknown, revoked.secret_token, "a\nb", "é"]) {
      const { status, html, cookies } = await logIn(pageClient(), token);
      expect([token, status]).toEqual([token, 401]);
      expect(html).toContain("the token is malformed, unknown, revoked or expired");
      expect(html).toContain('role="alert"');
      expect(cookies.has("slipway_session")).toBe(false);
    }
    expect(await sessions()).toHaveLength(before);
  });

  test("is refused with a token that has expired, and ends with one that expires", async ({ account }) => {
    const [used, unused] = [
      await createToken(account, { role: "read", expires_in_seconds: 60 }),
      await createToken(account, { role: "read", expires_in_seconds: 60 }),
    ];
    const client = pageClient();
    expect((await logIn(client, used.secret_token)).status).toBe(303);
    onTestFinished(() => {
      vi.useRealTimers();
    });
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 61_000 });
    expect((await client.visit("/")).location).toBe("/login");
    const { status, html, cookies } = await logIn(pageClient(), unused.secret_token);
    expect(status).toBe(401);
    expect(html).toContain("the token is malformed, unknown, revoked or expired");
    expect(cookies.has("slipway_session")).toBe(false);
  });

  test("is refused to a cluster's agent, with the reason", async ({ agentToken }) => {
    const { status, html, cookies } = await logIn(pageClient(), agentToken);
    expect(status).toBe(403);
    expect(html).toContain("agent");
    expect(cookies.has("slipway_session")).toBe(false);
  });

  test("does not show the token again after a refusal, and keeps the way back", async () => {
    const { html } = await logIn(pageClient(), "acme-1_secret.x", "/login?next=%2Fsettings");
    expect(html).not.toContain("acme-1_secret.x");
    expect(hiddenField(html, "next")).toBe("/settings");
  });

  test("needs the form that this very browser was given", async ({ account }) => {
    const other = pageClient();
    const foreign = hiddenField((await other.visit("/login")).html, "csrf");
    const client = pageClient();
    const own = hiddenField((await client.visit("/login")).html, "csrf");
    expect(own).not.toBe(foreign);
    for (const csrf of ["", foreign, `${own} `]) {
      const refused = await client.post("/login", { csrf, token: account.admin });
      expect(refused.status).toBe(403);
      expect(refused.cookies.has("slipway_session")).toBe(false);
    }
    const withoutCookie = await pageClient().post("/login", { csrf: own, token: account.admin });
    expect(withoutCookie.status).toBe(403);
    expect((await client.request("/login", { method: "POST", body: "{}" })).status).toBe(400);
  });

  test("gives a browser with an empty cookie another one", async ({ account }) => {
    const client = pageClient();
    client.jar.set("slipway_visitor", "");
    expect((await client.post("/login", { csrf: "", token: account.admin })).status).toBe(403);
    const { status } = await logIn(client, account.admin);
    expect(status).toBe(303);
    expect(client.jar.get("slipway_visitor")).toMatch(/^[\w-]{36}$/);
  });
});

describe("after logging in", () => {
  test.for(["/settings", "/service/acme-1/hello?over=day&x=%26", "/cli-login/a.b.c"] as const)(
    "`%s` is where one goes on who came from there",
    async (next, { account }) => {
      const { location } = await logIn(
        pageClient(),
        account.admin,
        `/login?${new URLSearchParams({ next })}`,
      );
      expect(location).toBe(next);
    },
  );

  test.for([
    "",
    "//evil.test",
    "//evil.test/%2f..",
    "/\\evil.test",
    "\\\\evil.test",
    "/\t/evil.test",
    "/\n/evil.test",
    "\t//evil.test",
    " //evil.test",
    "/..//evil.test",
    "/.//evil.test/x",
    "/x/..//evil.test",
    "/%2e%2e//evil.test",
    "/./\\evil.test",
    "https://evil.test",
    "https:evil.test",
    "javascript:alert(1)",
    "settings",
    "@evil.test",
  ] as const)("%j leads nowhere but to the first page", async (next, { account }) => {
    const { status, location } = await logIn(
      pageClient(),
      account.admin,
      `/login?${new URLSearchParams({ next })}`,
    );
    expect([status, location]).toEqual([303, "/"]);
  });

  test("control characters in the way back end no header", async ({ account }) => {
    const next = "/settings\r\nset-cookie: a=b";
    const { location, cookies } = await logIn(
      pageClient(),
      account.admin,
      `/login?${new URLSearchParams({ next })}`,
    );
    expect(location).toBe("/settingsset-cookie:%20a=b");
    expect(cookies.has("a")).toBe(false);
  });

  test("markup in the way back is text", async () => {
    const next = '/"><script>alert(1)</script>';
    const { html } = await pageClient().visit(`/login?${new URLSearchParams({ next })}`);
    expect(html).not.toContain("<script>");
  });
});

describe("logging out", () => {
  test("ends the session in the account: the same cookie opens nothing, at once", async ({
    account,
    sessions,
  }) => {
    const client = pageClient();
    await logIn(client, account.admin);
    const credential = client.jar.get("slipway_session") ?? "";
    const { html } = await client.visit("/");
    const before = (await sessions()).length;
    const out = await client.post("/logout", { csrf: hiddenField(html, "csrf") });
    expect([out.status, out.location]).toEqual([303, "/login"]);
    expect(out.cookies.get("slipway_session")).toMatch(/^slipway_session=; Max-Age=0; Path=\/; HttpOnly/);
    expect(client.jar.has("slipway_session")).toBe(false);
    expect((await loggedIn(credential).visit("/")).location).toBe("/login");
    expect((await send("/auth", { token: credential })).status).toBe(401);
    expect(await sessions()).toHaveLength(before - 1);
  });

  test("by the form of somebody else, or of none, ends nothing", async ({ account }) => {
    const client = pageClient();
    await logIn(client, account.admin);
    const foreign = hiddenField((await loggedIn(account.admin).visit("/")).html, "csrf");
    for (const csrf of ["", foreign]) {
      const refused = await client.post("/logout", { csrf });
      expect(refused.status).toBe(403);
      expect(refused.html).toContain("This form was not made for this browser");
    }
    expect((await client.visit("/")).status).toBe(200);
    expect((await client.visit("/logout")).status).toBe(405);
  });

  test("of whoever is not logged in leads to the form", async () => {
    const { status, location } = await pageClient().post("/logout", {});
    expect([status, location]).toEqual([303, "/login"]);
  });

  test("ends no access token that was used as a session", async ({ account }) => {
    const { secret_token } = await createToken(account, { role: "read" });
    const client = loggedIn(secret_token);
    const { html } = await client.visit("/");
    await client.post("/logout", { csrf: hiddenField(html, "csrf") });
    expect(client.jar.has("slipway_session")).toBe(false);
    expect((await send("/auth", { token: secret_token })).status).toBe(200);
  });
});
