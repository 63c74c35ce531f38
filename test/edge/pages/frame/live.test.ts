import { describe, expect } from "vitest";
import { createAccount, createToken, send } from "../../../support/worker/api.ts";
import { hiddenField, loggedIn, pageClient } from "../../../support/worker/page-client.ts";
import { test } from "../../../support/worker/page-test.ts";

const eventStream = { accept: "text/event-stream" };

describe("a page's changes", () => {
  test("begin with the page as it is, and go on with what a pin makes of it", async ({
    admin,
    newService,
  }) => {
    const { path, pin } = await newService("pinned");
    const { html } = await admin.visit(path);
    const { response, next } = await admin.follow(path);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    expect(response.headers.get("cache-control")).toContain("no-");
    const first = await next();
    expect(first).toContain("<code>v1</code>, revision 1");
    expect(first).not.toMatch(/<html|<main|<h1/);
    expect(html).toContain(first);
    await pin("v2", "sent at once");
    const second = await next();
    expect(second).toContain("<code>v2</code>, revision 2");
    expect(second).toContain("sent at once");
  });

  test("that came between the page and its stream are sent first", async ({ admin, newService }) => {
    const { prodPath, pin } = await newService("between");
    expect((await admin.visit(prodPath)).html).toContain("revision 1");
    await pin("v2");
    const { next } = await admin.follow(prodPath);
    expect(await next()).toContain("revision 2");
  });

  test("follow the query of the page's address", async ({ admin, newService }) => {
    const { path } = await newService("queried");
    const { next } = await admin.follow(`${path}?over=month`);
    expect(await next()).toContain('<a href="/service/acme-1/queried?over=month" aria-current="true">');
  });

  test("of the first page include a service that is made", async ({ admin, newService }) => {
    const { next, nextWith } = await admin.follow("/");
    expect(await next()).not.toContain("newcomer");
    await newService("newcomer");
    expect(await nextWith("newcomer")).toContain("newcomer");
  });

  test("show a narrowed visitor only what they may see", async ({ account, newService }) => {
    const { path, environment, pin } = await newService("narrow");
    const token = { role: "read" as const, service: "narrow", environments: ["prod"] };
    const { next, nextWith } = await loggedIn((await createToken(account, token)).secret_token).follow(path);
    expect(await next()).not.toContain("unseen-one");
    await environment("v2", "unseen-one");
    await pin("v2");
    expect(await nextWith("revision 2")).not.toContain("unseen-one");
  });

  test("end with the token that may see them, before anything more is sent", async ({
    account,
    newService,
  }) => {
    const { path, pin } = await newService("revoked");
    const reader = await createToken(account, { role: "read" });
    const { next } = await loggedIn(reader.secret_token).follow(path);
    expect(await next()).toContain("revision 1");
    const revoked = await send(`/v3/accounts/${account.name}/tokens/${reader.id}`, {
      method: "DELETE",
      token: account.admin,
    });
    expect(revoked.status).toBe(204);
    await pin("v2");
    expect(await next()).toBeNull();
  });

  test("end with the session", async ({ account, newService }) => {
    const { path, pin } = await newService("session");
    const client = pageClient();
    const csrf = hiddenField((await client.visit("/login")).html, "csrf");
    await client.post("/login", { csrf, token: account.admin });
    const { next } = await client.follow(path);
    expect(await next()).toContain("revision 1");
    await client.post("/logout", { csrf: hiddenField((await client.visit(path)).html, "csrf") });
    await pin("v2");
    expect(await next()).toBeNull();
  });

  test("end with the service", async ({ account, admin, newService }) => {
    const { api, path } = await newService("deleted");
    const { next } = await admin.follow(path);
    expect(await next()).toContain("revision 1");
    expect((await send(api, { method: "DELETE", token: account.admin })).status).toBe(204);
    expect(await next()).toBeNull();
  });
});

describe("a stream of changes that is requested", () => {
  test("without a session is over for good, so that the page's script does not try again", async ({
    newService,
  }) => {
    const { path } = await newService("requested");
    for (const client of [pageClient(), loggedIn("acme-1_000000000000.x")]) {
      const { status, headers, html } = await client.visit(`${path}?live=`, eventStream);
      expect([status, headers.get("content-type")]).toEqual([200, "text/event-stream"]);
      expect(html).toMatch(/^event: over\ndata: .*\n\n$/);
    }
    expect((await pageClient().visit(`${path}?live=`)).status).toBe(303);
  });

  test("of what the visitor may not see is over for good, and shows a person what the page would", async ({
    account,
    newService,
  }) => {
    const { path } = await newService("theirs");
    const other = loggedIn((await createAccount()).admin);
    const narrow = loggedIn((await createToken(account, { role: "read", service: "pinned" })).secret_token);
    for (const [client, refusal] of [[other, 404] as const, [narrow, 403] as const]) {
      const { headers, html } = await client.visit(`${path}?live=`, eventStream);
      expect(headers.get("content-type")).toBe("text/event-stream");
      expect(html).toMatch(/^event: over\ndata: .*\n\n$/);
      expect((await client.visit(`${path}?live=`)).status).toBe(refusal);
    }
  });

  test("of a page that has none is the page", async ({ admin }) => {
    const { headers, html } = await admin.visit("/settings?live=", eventStream);
    expect(headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(html).toContain("<h1>Settings</h1>");
  });
});
