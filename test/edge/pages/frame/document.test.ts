import { beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { assetPaths } from "../../../../src/edge/pages/frame/assets/assets.ts";
import { cliLoginAnswer } from "../../../../src/protocol/jamsocket/login.ts";
import { loginLink } from "../../../../src/protocol/v3/sessions.ts";
import { call, createAccount, createCluster, type TestAccount } from "../../../support/worker/api.ts";
import { startFakeCluster } from "../../../support/worker/fake-cluster.ts";
import { loggedIn, type PageAnswer, pageClient } from "../../../support/worker/page-client.ts";
import { digestOf, pinnedService } from "../../../support/worker/pinned-service.ts";

let account: TestAccount;
/** Every kind of answer that is a page, by what it is. */
const shown = new Map<string, PageAnswer>();
beforeAll(async () => {
  startFakeCluster();
  account = await createAccount();
  const { agent_token } = await createCluster(account);
  const hello = await pinnedService(account);
  await hello.pin("v2", "a note");
  const { backend_id } = await hello.connect("prod", "doc");
  const empty = await createAccount();
  const { token } = await call(cliLoginAnswer, "/cli-login", { json: {} });
  const links = `/v3/accounts/${account.name}/login-links`;
  const { url } = await call(loginLink, links, { token: account.admin, json: {} });

  const admin = loggedIn(account.admin);
  const visit = async (path: string, client = admin) => shown.set(path, await client.visit(path));
  for (const path of ["/", hello.path, `${hello.path}?over=month`, "/settings", `/cli-login/${token}`]) {
    await visit(path);
  }
  for (const path of [hello.prodPath, `${hello.prodPath}?image=v1`, `${hello.prodPath}?image=none`]) {
    await visit(path);
  }
  for (const rest of ["/images", `/images/${digestOf.v1}`, "/backends", "/backends?status=ended"]) {
    await visit(hello.path + rest);
  }
  await visit(`/backend/${backend_id}`);
  await visit("/clusters");
  await visit("/events");
  await visit(`/service/${account.name}/missing`);
  await visit("/login", pageClient());
  await visit(new URL(url).pathname, pageClient());
  shown.set("of an empty account", await loggedIn(empty.admin).visit("/"));
  shown.set("refused", await loggedIn(agent_token).visit("/"));
  shown.set("a refused form", await admin.post(hello.prodPath, { do: "pin" }));
  shown.set("a refused login", await pageClient().post("/login", { token: "x" }));
});

describe("every page", () => {
  test("is one: there are pages of each kind", () => {
    const statuses = Array.from(shown.values(), ({ status }) => status);
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThan(12);
    expect(statuses.filter((status) => status === 403).length).toBe(3);
    for (const { html, headers } of shown.values()) {
      expect(headers.get("content-type")).toBe("text/html; charset=utf-8");
      expect(html).toMatch(/^<!doctype html>\n<html lang="en">/);
    }
  });

  test("is held to its own sources, runs nothing inline, and is framed by nobody", () => {
    for (const [, { headers }] of shown) {
      const directives = (headers.get("content-security-policy") ?? "").split("; ");
      expect(directives).toContain("default-src 'none'");
      expect(directives).toContain("frame-ancestors 'none'");
      expect(directives).toContain("base-uri 'none'");
      expect(directives).toContain("form-action 'self'");
      for (const directive of directives) expect(directive).toMatch(/^[a-z-]+ '(self|none)'$/);
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("cache-control")).toBe("no-store");
      expect(headers.get("referrer-policy")).toBe("same-origin");
    }
  });

  test("has no inline script, no style and no handler in its HTML", () => {
    for (const [path, { html }] of shown) {
      const tags = html.match(/<[a-z][^>]*>/gi) ?? [];
      const scripts = tags.filter((tag) => /^<script\b/i.test(tag));
      expect([path, scripts]).toEqual([path, [expect.stringMatching(/^<script src="\/assets\//)]]);
      expect(html).toContain('defer=""></script>');
      const inline = tags.filter((tag) => /^<style\b|\s(style|on[a-z]+|srcdoc)\s*=|javascript:/i.test(tag));
      expect([path, inline]).toEqual([path, []]);
    }
  });

  test("has a title, a language, one first heading, and a place to skip to", () => {
    for (const { html } of shown.values()) {
      expect(html.match(/<h1[ >]/g)).toHaveLength(1);
      expect(html).toMatch(/<title>[^<]+ · Slipway<\/title>/);
      expect(html).toContain('href="#main"');
      expect(html).toContain('id="main"');
      const ids = [...html.matchAll(/\sid="([^"]*)"/g)].map(([, id]) => id);
      expect(ids).toEqual([...new Set(ids)]);
    }
  });

  test("refers to places of ours only, and each of them is there", async () => {
    const admin = loggedIn(account.admin);
    const wanted = new Set<string>();
    for (const { html } of shown.values()) {
      for (const [, text = ""] of html.matchAll(/\s(?:href|src|action)="([^"]*)"/g)) {
        expect(text).toMatch(/^(\/(?!\/)|#)/);
        if (!text.startsWith("#") && text !== "/logout") {
          wanted.add(text.replaceAll("&amp;", "&").replace(/#.*$/, ""));
        }
      }
    }
    const places = [...wanted].filter((path) => !path.endsWith("/log.txt"));
    expect(places.length).toBeGreaterThan(20);
    for (const path of places) expect([path, (await admin.visit(path)).status]).toEqual([path, 200]);
  });

  test("that changes says where its changes come from; one that says why there is none does not", () => {
    for (const path of ["/", `/service/${account.name}/hello?over=month`]) {
      const from = `hx-sse:connect="${path.replace(/\?|$/, "?").replace("over=month", "over=month&amp;")}live="`;
      expect(shown.get(path)?.html).toContain(from);
    }
    for (const path of ["/settings", "/login", "refused", "a refused form"]) {
      expect(shown.get(path)?.html).not.toContain("hx-sse:connect");
    }
  });
});

describe("assets", () => {
  test("are kept for good at the path that names their content, and nowhere else", async () => {
    const client = pageClient();
    const types = { "style.css": "text/css", "live.js": "text/javascript", "icon.svg": "image/svg+xml" };
    for (const [name, path] of Object.entries(await assetPaths())) {
      const { status, headers, html } = await client.visit(path);
      expect([status, headers.get("x-content-type-options")]).toEqual([200, "nosniff"]);
      expect(headers.get("content-type")).toContain(z.string().parse(Reflect.get(types, name)));
      expect(headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
      const older = await client.visit(`/assets/0000000000000000/${name}`);
      expect([older.status, older.headers.get("cache-control")]).toEqual([200, "no-store"]);
      expect(older.html).toBe(html);
    }
  });

  test("are named by a digest of what they hold", async () => {
    const { "live.js": path } = await assetPaths();
    const { html } = await pageClient().visit(path);
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(html));
    const hex = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
    expect(path).toBe(`/assets/${hex.slice(0, 16)}/live.js`);
    expect(html).toContain("htmx");
  });

  test.each(["other.js", "constructor", "__proto__", "live.js.map", "", "..%2Flive.js", "live.js/more"])(
    "with the name `%s` are not found",
    async (name) => {
      expect((await pageClient().visit(`/assets/0000000000000000/${name}`)).status).toBe(404);
    },
  );

  test("are compressed for whoever takes that", async () => {
    const { "live.js": path } = await assetPaths();
    const plain = await pageClient().send(path);
    expect(plain.headers.get("content-encoding")).toBeNull();
    const packed = await pageClient().send(path, { headers: { "accept-encoding": "br, gzip" } });
    expect([packed.headers.get("content-encoding"), packed.headers.get("vary")]).toEqual([
      "gzip",
      "accept-encoding",
    ]);
    await packed.body?.cancel();
    await plain.body?.cancel();
  });
});
