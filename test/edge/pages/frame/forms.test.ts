import { describe, expect } from "vitest";
import { createToken } from "../../../support/worker/api.ts";
import { hiddenField, loggedIn } from "../../../support/worker/page-client.ts";
import { test as pageTest } from "../../../support/worker/page-test.ts";

const test = pageTest
  /** Of the session of `admin`. */
  .extend("csrf", { scope: "file" }, async ({ admin }) => hiddenField((await admin.visit("/")).html, "csrf"));

const pinForm = { do: "pin", image: "v2", revision: "1" };
const untouched = { image: "v1", revision: 1 };

describe("a form", () => {
  test("without the session's CSRF token is refused, and changes nothing", async ({
    account,
    admin,
    csrf,
    hello,
  }) => {
    const other = loggedIn((await createToken(account, { role: "admin" })).secret_token);
    const foreign = hiddenField((await other.visit("/")).html, "csrf");
    expect(foreign).not.toBe(csrf);
    for (const wrong of [
      {},
      { csrf: "" },
      { csrf: foreign },
      { csrf: `${csrf} ` },
      { csrf: account.admin },
    ]) {
      const { status, html } = await admin.post(hello.prodPath, { ...pinForm, ...wrong });
      expect(status).toBe(403);
      expect(html).toContain("This form was not made for this session");
    }
    expect(await hello.pinned()).toEqual(untouched);
  });

  test("reveals nothing of the session's secret by that token, which stays the same for the session", async ({
    account,
    admin,
    csrf,
  }) => {
    expect(account.admin).not.toContain(csrf);
    expect(hiddenField((await admin.visit("/settings")).html, "csrf")).toBe(csrf);
  });

  test.for(["", "unpin", "constructor", "__proto__", "toString"] as const)(
    "that the page has not, `%s`, is refused as such",
    async (name, { admin, csrf, hello }) => {
      const { status, html } = await admin.post(hello.prodPath, { ...pinForm, csrf, do: name });
      expect(status).toBe(400);
      expect(html).toContain("This page has no such form");
      expect(await hello.pinned()).toEqual(untouched);
    },
  );

  test("is no JSON and no upload, and says so", async ({ admin, csrf, hello }) => {
    for (const type of ["application/json", "multipart/form-data; boundary=x", "text/plain", ""]) {
      const body = new URLSearchParams({ ...pinForm, csrf }).toString();
      const headers = { "content-type": type };
      const { status, html } = await admin.request(hello.prodPath, { method: "POST", headers, body });
      expect([type, status]).toEqual([type, 400]);
      expect(html).toContain("This is not a form");
    }
    expect(await hello.pinned()).toEqual(untouched);
  });

  test("that is too large, or not UTF-8, is refused", async ({ admin, csrf, hello }) => {
    const large = await admin.post(hello.prodPath, { ...pinForm, csrf, note: "x".repeat(70_000) });
    expect(large.status).toBe(413);
    expect(large.html).toContain("larger than 65536 bytes");
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const body = new Uint8Array([0x64, 0x6f, 0x3d, 0xff]);
    expect((await admin.request(hello.prodPath, { method: "POST", headers, body })).status).toBe(400);
    expect(await hello.pinned()).toEqual(untouched);
  });

  test("on a page that has none is not allowed", async ({ admin, csrf, hello }) => {
    const { status, headers } = await admin.post(hello.path, { csrf, do: "pin" });
    expect([status, headers.get("allow")]).toEqual([405, "GET"]);
  });

  test("of a token without the right leads to the page, with the reason, and changes nothing", async ({
    account,
    hello,
  }) => {
    for (const role of ["read", "spawn"] as const) {
      const visitor = loggedIn((await createToken(account, { role })).secret_token);
      const own = hiddenField((await visitor.visit("/")).html, "csrf");
      const { status, html } = await visitor.post(hello.prodPath, { ...pinForm, csrf: own });
      expect(status).toBe(403);
      expect(html).toContain(`role="alert"`);
      expect(html).toContain(`a token with the role \`${role}\` may not do this; it needs `);
      expect(html).toContain("Change the pin");
      expect(html).not.toContain("is pinned to");
    }
    expect(await hello.pinned()).toEqual(untouched);
  });

  test("of a token that may not even see the page is refused there", async ({ account, hello }) => {
    const scope = { role: "deploy", service: "hello", environments: ["default"] } as const;
    const visitor = loggedIn(
      (await createToken(account, { ...scope, environments: ["default"] })).secret_token,
    );
    const own = hiddenField((await visitor.visit("/")).html, "csrf");
    const { status, html } = await visitor.post(hello.prodPath, { ...pinForm, csrf: own });
    expect(status).toBe(403);
    expect(html).not.toContain("Change the pin");
    expect(await hello.pinned()).toEqual(untouched);
  });

  test("that acts on the whole account is not for an admin of one service, who may see its page", async ({
    account,
    admin,
  }) => {
    const narrow = loggedIn((await createToken(account, { role: "admin", service: "hello" })).secret_token);
    const { status, html } = await narrow.visit("/settings");
    expect(status).toBe(200);
    const fields = { csrf: hiddenField(html, "csrf"), do: "create-token", name: "more", role: "admin" };
    const blank = { attempt: crypto.randomUUID(), service: "", environments: "", expires: "" };
    const refused = await narrow.post("/settings", { ...blank, ...fields });
    expect(refused.status).toBe(403);
    expect(refused.html).toContain("this token may only act on service `hello`");
    expect((await admin.visit("/settings")).html).not.toContain("<bdi>more</bdi>");
  });

  test("that was done leads back to its page, which says once what was done", async ({
    admin,
    csrf,
    newService,
  }) => {
    const blue = await newService("blue");
    const done = await admin.post(blue.prodPath, { ...pinForm, csrf });
    expect([done.status, done.location, done.html]).toEqual([303, blue.prodPath, ""]);
    const notice = "prod is pinned to v2 now; before it was v1.";
    const first = await admin.visit(blue.prodPath);
    expect(first.html).toContain(`<p class="notice done" role="status">${notice}</p>`);
    expect((await admin.visit(blue.prodPath)).html).not.toContain(notice);
  });

  test("keeps its notice a minute at most, from scripts and for this site alone", async ({
    admin,
    csrf,
    newService,
  }) => {
    const red = await newService("red");
    const cookie = (await admin.post(red.prodPath, { ...pinForm, csrf })).cookies.get("slipway_notice");
    expect(cookie).toMatch(/; Max-Age=[1-5]?\d; Path=\/; HttpOnly; SameSite=Lax$/);
    await admin.visit(red.prodPath);
  });
});

describe("what a notice says", () => {
  test("is text, whoever has set it", async ({ account }) => {
    const client = loggedIn(account.admin);
    client.jar.set("slipway_notice", encodeURIComponent("<img src=x>"));
    const { html } = await client.visit("/");
    expect(html).toContain("&lt;img src=x&gt;");
    expect(html).not.toContain("<img");
  });
});

describe("what is shown once", () => {
  test("is on the answer to its form, and not at its path", async ({ account, admin, csrf }) => {
    const { html } = await admin.visit("/settings");
    const fields = {
      csrf,
      do: "create-token",
      attempt: hiddenField(html, "attempt"),
      name: "ci",
      role: "read",
      service: "",
      environments: "",
      expires: "",
    };
    const shown = await admin.post("/settings", fields);
    expect([shown.status, shown.headers.get("cache-control")]).toEqual([200, "no-store"]);
    const secret = new RegExp(`${account.name}_[0-9a-z]{12}\\.[\\w-]{43}`);
    expect(shown.html).toMatch(secret);
    expect(shown.html).not.toContain("hx-sse:connect");
    expect((await admin.visit("/settings")).html).not.toMatch(secret);
  });
});
