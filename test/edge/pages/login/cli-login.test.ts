import { describe, expect } from "vitest";
import { cliLoginAnswer, userSession } from "../../../../src/protocol/jamsocket/login.ts";
import { call, createAccount, createService, createToken, refusal } from "../../../support/worker/api.ts";
import { hiddenField, loggedIn, type PageClient, pageClient } from "../../../support/worker/page-client.ts";
import { test } from "../../../support/worker/page-test.ts";

/** Begins a login as the CLI does. @returns its token, and where its page is */
async function begin(userAgent = "jamsocket-cli/0.10.7") {
  const { token } = await call(cliLoginAnswer, "/cli-login", {
    json: {},
    headers: { "user-agent": userAgent },
  });
  return { token, path: `/cli-login/${token}` };
}

const codePattern = /<p class="code">(\d{4})<\/p>/;

async function confirm(client: PageClient, path: string) {
  const csrf = hiddenField((await client.visit(path)).html, "csrf");
  return client.post(path, { csrf, do: "confirm" });
}

describe("the page that the login of the command line opens", () => {
  test("says who requests what, and shows the code only once that was confirmed", async ({ account }) => {
    const { token, path } = await begin();
    const client = loggedIn(account.admin);
    const unconfirmed = await client.visit(path);
    expect(unconfirmed.status).toBe(200);
    expect(unconfirmed.html).toContain(account.name);
    expect(unconfirmed.html).toContain("first admin");
    expect(unconfirmed.html).toContain("jamsocket-cli/0.10.7");
    expect(unconfirmed.html).not.toMatch(codePattern);
    const { status, html, headers } = await confirm(client, path);
    expect([status, headers.get("cache-control")]).toEqual([200, "no-store"]);
    const code = codePattern.exec(html)?.[1] ?? "";
    const session = await call(userSession, `/cli-login/${token}/complete`, { json: { code } });
    expect(session.token.startsWith(`${account.name}_`)).toBe(true);
    expect((await client.visit(path)).html).not.toMatch(codePattern);
  });

  test("shows markup in the name of the program as text", async ({ account }) => {
    const { path } = await begin('<img src=x onerror="alert(1)">');
    const { html } = await loggedIn(account.admin).visit(path);
    expect(html).toContain("&lt;img src=x onerror=&quot;alert(1)&quot;&gt;");
    expect(html).not.toContain("<img");
  });

  test("is for whoever is logged in, and comes back after that", async ({ account }) => {
    const { path } = await begin();
    const client = pageClient();
    const { status, location } = await client.visit(path);
    expect([status, location]).toEqual([303, `/login?next=${encodeURIComponent(path)}`]);
    const { html } = await client.visit(location ?? "");
    const fields = { csrf: hiddenField(html, "csrf"), next: hiddenField(html, "next") };
    const back = await client.post("/login", { ...fields, token: account.admin });
    expect([back.status, back.location]).toEqual([303, path]);
    expect((await client.visit(path)).html).toContain("Yes, show me the code");
  });

  test("gives the command line the rights of the visitor, however narrow", async ({ account }) => {
    await createService(account);
    const scope = { role: "spawn" as const, service: "hello", environments: ["default"] };
    const { secret_token } = await createToken(account, scope);
    const { token, path } = await begin();
    const { html } = await confirm(loggedIn(secret_token), path);
    const code = codePattern.exec(html)?.[1] ?? "";
    const session = await call(userSession, `/cli-login/${token}/complete`, { json: { code } });
    const refused = await refusal(`/v3/accounts/${account.name}/tokens`, { token: session.token });
    expect(refused.status).toBe(403);
  });

  test("confirms nothing without the session's CSRF token", async ({ account }) => {
    const { token, path } = await begin();
    const refused = await loggedIn(account.admin).post(path, { do: "confirm" });
    expect(refused.status).toBe(403);
    expect(refused.html).not.toMatch(codePattern);
    expect((await refusal(`/cli-login/${token}/complete`, { json: { code: "0000" } })).status).not.toBe(403);
  });

  test("confirms nothing for an agent", async ({ agentToken }) => {
    const { path } = await begin();
    expect((await loggedIn(agentToken).visit(path)).status).toBe(403);
    expect((await loggedIn(agentToken).post(path, { do: "confirm" })).status).toBe(403);
  });

  test("belongs to the one who confirmed first", async ({ account }) => {
    const { path } = await begin();
    const other = await createAccount();
    await confirm(loggedIn(account.admin), path);
    const late = await confirm(loggedIn(other.admin), path);
    expect(late.status).toBe(409);
    expect(late.html).not.toMatch(codePattern);
  });

  test("of a login that was never begun is not found", async ({ account }) => {
    for (const token of ["x", "a.b.c", `${(await begin()).token}x`]) {
      const { status, html } = await loggedIn(account.admin).visit(`/cli-login/${token}`);
      expect(status).toBe(404);
      expect(html).toContain("<h1>Not found</h1>");
    }
  });
});
