import { describe, expect } from "vitest";
import { loginLink, sessionList } from "../../../../src/protocol/v3/sessions.ts";
import { call, createToken } from "../../../support/worker/api.ts";
import { hiddenField, pageClient } from "../../../support/worker/page-client.ts";
import { test as pageTest } from "../../../support/worker/page-test.ts";

const test = pageTest
  /** Lists the live logins of the account. */
  .extend("sessions", { scope: "file" }, ({ account }) => async () => {
    const path = `/v3/accounts/${account.name}/sessions?limit=200`;
    return (await call(sessionList, path, { token: account.admin })).sessions;
  })
  .extend("makeLink", { scope: "file" }, ({ account }) => async (token = account.admin) => {
    const links = `/v3/accounts/${account.name}/login-links`;
    const { url } = await call(loginLink, links, { token, json: {} });
    return { path: new URL(url).pathname };
  });

describe("a login link", () => {
  test("needs a confirmation: looking at it uses nothing up", async ({ sessions, makeLink }) => {
    const { path } = await makeLink();
    const before = (await sessions()).length;
    const client = pageClient();
    for (let visits = 0; visits < 3; visits++) {
      const { status, html, cookies } = await client.visit(path);
      expect(status).toBe(200);
      expect(html).toContain("This link logs you in once.");
      expect(cookies.has("slipway_session")).toBe(false);
    }
    expect(await sessions()).toHaveLength(before);
    const csrf = hiddenField((await client.visit(path)).html, "csrf");
    const { status, location } = await client.post(path, { csrf });
    expect([status, location]).toEqual([303, "/"]);
  });

  test("logs in once, as the token's holder, with the rights of that token", async ({
    account,
    sessions,
    makeLink,
  }) => {
    const reader = await createToken(account, { role: "read" });
    const { path } = await makeLink(reader.secret_token);
    const client = pageClient();
    const csrf = hiddenField((await client.visit(path)).html, "csrf");
    const used = await client.post(path, { csrf }, { "user-agent": "a browser" });
    expect(used.cookies.get("slipway_session")).toMatch(/; Max-Age=\d+; Path=\/; HttpOnly; SameSite=Lax$/);
    expect((await client.visit("/settings")).html).toContain("<dd>read</dd>");
    expect((await sessions())[0]).toMatchObject({ token_id: reader.id, user_agent: "a browser" });
    const again = await client.post(path, { csrf });
    expect(again.status).toBe(404);
    expect(again.html).toContain("This login link is unknown, was used, or has expired; make another one.");
    expect(again.cookies.has("slipway_session")).toBe(false);
  });

  test("is not used up by a form that this browser was not given", async ({ makeLink }) => {
    const { path } = await makeLink();
    const client = pageClient();
    await client.visit(path);
    expect((await client.post(path, { csrf: "x" })).status).toBe(403);
    expect((await pageClient().post(path, {})).status).toBe(403);
    const csrf = hiddenField((await client.visit(path)).html, "csrf");
    expect((await client.post(path, { csrf })).status).toBe(303);
  });

  test.each(["x", "acme-1_000000000000.x", "%22%3E%3Cscript%3E"])(
    "that was never made, `%s`, logs nobody in",
    async (link) => {
      const client = pageClient();
      const { html } = await client.visit(`/login/${link}`);
      expect(html).not.toContain("<script>");
      const { status } = await client.post(`/login/${link}`, { csrf: hiddenField(html, "csrf") });
      expect(status).toBe(404);
      expect(client.jar.has("slipway_session")).toBe(false);
    },
  );
});
