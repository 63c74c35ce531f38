import { env } from "cloudflare:workers";
import { html } from "hono/html";
import { describe, expect } from "vitest";
import { ok } from "../../../../src/domain/result.ts";
import { newIsolateState } from "../../../../src/edge/admission/isolate-state.ts";
import { definePage } from "../../../../src/edge/pages/frame/page.ts";
import { runPage } from "../../../../src/edge/pages/frame/run-page.tsx";
import { SharedRenders } from "../../../../src/edge/pages/frame/shared-renders.ts";
import { apiOrigin, createAccount, createService, createToken } from "../../../support/worker/api.ts";
import { loggedIn, pageClient } from "../../../support/worker/page-client.ts";
import { test } from "../../../support/worker/page-test.ts";
import { digestOf } from "../../../support/worker/pinned-service.ts";

describe("who is not logged in", () => {
  test("is sent to log in from every page, with the way back, and from the first page without one", async ({
    hello,
  }) => {
    const client = pageClient();
    const first = await client.visit("/");
    expect([first.status, first.location, first.html]).toEqual([303, "/login", ""]);
    for (const path of [hello.path, `${hello.prodPath}?image=v2&cursor=%26`, "/settings", "/cli-login/x.y"]) {
      const { status, location, headers } = await client.visit(path);
      expect(status).toBe(303);
      const login = new URL(location ?? "", "http://x.test");
      expect([login.pathname, login.searchParams.get("next")]).toEqual(["/login", path]);
      expect(headers.get("cache-control")).toBe("no-store");
    }
  });

  test("is sent there alike for what exists and for what does not, whose it may be", async ({ hello }) => {
    const client = pageClient();
    for (const path of [hello.path, "/service/nobody/nothing", "/backend/0000000000000"]) {
      const { status, location } = await client.visit(path);
      expect([status, location]).toEqual([303, `/login?next=${encodeURIComponent(path)}`]);
    }
  });

  test.for(["nobody", "acme-1_000000000000.x", "", "%00", '"><script>'] as const)(
    "is whoever comes with the session `%s`",
    async (session, { hello }) => {
      const client = loggedIn(session);
      expect((await client.visit("/")).location).toBe("/login");
      const posted = await client.post(hello.prodPath, { do: "pin" });
      expect([posted.status, posted.location]).toEqual([303, "/login"]);
    },
  );
});

describe("a session's cookie", () => {
  test.for([
    ["in quotes", (credential: string) => `"  ${credential}"`],
    ["encoded", (credential: string) => `%20${credential}`],
  ] as const)("may have spaces before the credential, %s", async ([, cookie], { account }) => {
    const { status, html } = await loggedIn(cookie(account.admin)).visit("/");
    expect(status).toBe(200);
    expect(html).toContain(`${account.name} as first admin`);
  });
});

describe("what is not there", () => {
  test("is not found: names that are none, and things that the account has not", async ({
    account,
    admin,
    hello,
  }) => {
    const { path, prodPath } = hello;
    const missing = [
      "/service/NOT_A_NAME/hello",
      `/service/${account.name}/%3Cscript%3Ealert(1)%3C%2Fscript%3E`,
      `/service/${account.name}/-`,
      `/service/${account.name}/missing`,
      `/service/${account.name}/missing/backends`,
      `${path}/environment/UPPER`,
      `${path}/environment/missing`,
      `${path}/images/sha256:short`,
      `${path}/images/sha256:${"9".repeat(64)}`,
      "/backend/0000000000000",
      "/backend/..%2f..",
      "/cli-login/x",
    ];
    for (const wanted of missing) {
      const { status, html, headers } = await admin.visit(wanted);
      expect([wanted, status]).toEqual([wanted, 404]);
      expect(headers.get("content-type")).toBe("text/html; charset=utf-8");
      expect(html).toContain("<h1>Not found</h1>");
      expect(html).not.toContain("<script>");
    }
    for (const unknown of ["/nothing", `${prodPath}/nothing`, "/service"]) {
      expect((await admin.visit(unknown)).status).toBe(404);
    }
  });

  test("of another account is answered for like what no account has, and to no form either", async ({
    account,
    hello,
  }) => {
    const { backend_id } = await hello.connect();
    const intruder = loggedIn((await createAccount("intruder")).admin);
    const answerOf = async (path: string, name: string) => {
      const { status, html } = await intruder.visit(path);
      return { status, html: html.replaceAll(name, "…") };
    };
    for (const rest of ["", "/images", "/backends", "/environment/prod", `/images/${digestOf.v1}`]) {
      const theirs = await answerOf(hello.path + rest, account.name);
      expect(theirs).toEqual(await answerOf(`/service/nobody/hello${rest}`, "nobody"));
      expect(theirs.status).toBe(404);
    }
    const backend = await answerOf(`/backend/${backend_id}`, backend_id);
    expect(backend.status).toBe(404);
    expect(backend.html).not.toContain(account.name);
    const posted = await intruder.post(hello.prodPath, { do: "pin", image: "v2", revision: "1" });
    expect(posted.status).toBe(404);
    expect(await hello.pinned()).toEqual({ image: "v1", revision: 1 });
  });
});

describe("a token that is narrowed to a service", () => {
  test("sees on the first page that service only, and its pages, and no other's", async ({
    account,
    hello,
  }) => {
    await createService(account, "other");
    const { secret_token } = await createToken(account, { role: "read", service: "hello" });
    const narrow = loggedIn(secret_token);
    const { status, html } = await narrow.visit("/");
    expect(status).toBe(200);
    expect(html).toContain(`href="${hello.path}"`);
    expect(html).not.toContain("other");
    expect((await narrow.visit(hello.path)).status).toBe(200);
    for (const other of [`/service/${account.name}/other`, `/service/${account.name}/missing`]) {
      const refused = await narrow.visit(other);
      expect(refused.status).toBe(403);
      expect(refused.html).toContain("This token may only act on service `hello`.");
    }
  });

  test("sees a page of the whole account only where that shows each visitor what they may see", async ({
    account,
  }) => {
    const { secret_token } = await createToken(account, { role: "admin", service: "hello" });
    const visit = async (anyScope: boolean, token: string) => {
      const show = async () => ok({ title: "Everything", body: html`of the account` });
      const page = definePage({ path: "/everything", action: "read", anyScope, show });
      const cookie = `slipway_session=${token}`;
      const request = new Request(`${apiOrigin}/everything`, { headers: { cookie } });
      const state = newIsolateState(Date.now);
      const answer = await runPage(page, { request, env, params: {} }, state, new SharedRenders());
      return { status: answer.status, html: await answer.text() };
    };
    const refused = await visit(false, secret_token);
    expect(refused.status).toBe(403);
    expect(refused.html).toContain("This token may only act on service `hello`.");
    expect(refused.html).not.toContain("of the account");
    expect((await visit(true, secret_token)).html).toContain("of the account");
    expect((await visit(false, account.admin)).html).toContain("of the account");
  });

  test("and to environments sees no other environment on the pages of its service", async ({
    account,
    hello,
  }) => {
    await hello.environment("v2", "unseen-one");
    await hello.connect("unseen-one");
    const { secret_token } = await createToken(account, {
      role: "deploy",
      service: "hello",
      environments: ["prod"],
    });
    const narrow = loggedIn(secret_token);
    for (const path of ["/", hello.path, `${hello.path}/backends`, hello.prodPath]) {
      const { status, html } = await narrow.visit(path);
      expect([path, status]).toEqual([path, 200]);
      expect(html).toContain("prod");
      expect(html).not.toContain("unseen-one");
      expect(html).not.toContain("environment/default");
    }
    const refused = await narrow.visit(`${hello.path}/environment/unseen-one`);
    expect(refused.status).toBe(403);
    expect(refused.html).toContain("may only act on environments `prod`");
  });
});

test("an agent's token opens no page", async ({ agentToken, hello }) => {
  const agent = loggedIn(agentToken);
  for (const path of ["/", hello.path, "/settings"]) {
    const { status, html } = await agent.visit(path);
    expect(status).toBe(403);
    expect(html).toContain("<h1>Not allowed</h1>");
  }
});
