import { afterEach, beforeAll, describe, expect, test } from "vitest";
import {
  createAccount,
  createCluster,
  createToken,
  send,
  type TestAccount,
} from "../../../support/worker/api.ts";
import { startFakeCluster } from "../../../support/worker/fake-cluster.ts";
import { loggedIn, pageClient } from "../../../support/worker/page-client.ts";
import { hiddenField } from "../../../support/worker/page-visitor.ts";
import { pinnedService } from "../../../support/worker/pinned-service.ts";

let account: TestAccount;
beforeAll(async () => {
  startFakeCluster();
  account = await createAccount();
  await createCluster(account);
});

const eventStream = { accept: "text/event-stream" };
const leaving: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const leave of leaving.splice(0)) await leave();
});

/** Follows a page's changes as its script does; each is the page's part that changes. */
async function follow(client: ReturnType<typeof pageClient>, path: string) {
  const response = await client.send(`${path}${path.includes("?") ? "&" : "?"}live=`, {
    headers: eventStream,
  });
  const reader = response.body?.getReader();
  if (!reader) throw new Error("no body");
  const read = () => reader.read();
  leaving.push(() => reader.cancel());
  const decoder = new TextDecoder();
  let unread = "";
  /** The next event's data, or null at the end. Empty lines between events keep the connection open. */
  async function next(): Promise<string | null> {
    const event = /^\n*((?:data: [^\n]*\n)+)\n/.exec(unread);
    if (event) {
      unread = unread.slice(event[0].length);
      return (event[1] ?? "").replaceAll(/^data: /gm, "").slice(0, -1);
    }
    const { done, value } = await read();
    if (done) {
      expect(unread.trim()).toBe("");
      return null;
    }
    unread += decoder.decode(value, { stream: true });
    return next();
  }
  return { response, next };
}

describe("a page's changes", () => {
  test("begin with the page as it is, and go on with what a pin makes of it", async () => {
    const { path, pin } = await pinnedService(account, "pinned");
    const client = loggedIn(account.admin);
    const { html } = await client.visit(path);
    const { response, next } = await follow(client, path);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    expect(response.headers.get("cache-control")).toContain("no-");
    const first = await next();
    expect(first).toContain("<code>v1</code>, revision 1");
    expect(first).not.toMatch(/<html|<main|<h1/);
    expect(html).toContain(first);
    await pin("v2", "told at once");
    const second = await next();
    expect(second).toContain("<code>v2</code>, revision 2");
    expect(second).toContain("told at once");
  });

  test("that came between the page and its stream are told first", async () => {
    const { prodPath, pin } = await pinnedService(account, "between");
    const client = loggedIn(account.admin);
    expect((await client.visit(prodPath)).html).toContain("revision 1");
    await pin("v2");
    const { next } = await follow(client, prodPath);
    expect(await next()).toContain("revision 2");
  });

  test("are of what the page's address asks for", async () => {
    const { path } = await pinnedService(account, "asked");
    const { next } = await follow(loggedIn(account.admin), `${path}?over=month`);
    expect(await next()).toContain('<a href="/service/acme-1/asked?over=month" aria-current="true">');
  });

  test("of the first page tell of a service that is made", async () => {
    const client = loggedIn(account.admin);
    const { next } = await follow(client, "/");
    expect(await next()).not.toContain("newcomer");
    await pinnedService(account, "newcomer");
    let told = await next();
    while (told !== null && !told.includes("newcomer")) told = await next();
    expect(told).toContain("newcomer");
  });

  test("tell a narrowed visitor of what they may see only", async () => {
    const { path, environment, pin } = await pinnedService(account, "narrow");
    const token = { role: "read" as const, service: "narrow", environments: ["prod"] };
    const { next } = await follow(loggedIn((await createToken(account, token)).secret_token), path);
    expect(await next()).not.toContain("unseen-one");
    await environment("v2", "unseen-one");
    await pin("v2");
    let told = await next();
    while (told !== null && !told.includes("revision 2")) told = await next();
    expect(told).toContain("revision 2");
    expect(told).not.toContain("unseen-one");
  });

  test("end with the token that may see them, before anything more is told", async () => {
    const { path, pin } = await pinnedService(account, "revoked");
    const reader = await createToken(account, { role: "read" });
    const { next } = await follow(loggedIn(reader.secret_token), path);
    expect(await next()).toContain("revision 1");
    const revoked = await send(`/v3/accounts/${account.name}/tokens/${reader.id}`, {
      method: "DELETE",
      token: account.admin,
    });
    expect(revoked.status).toBe(204);
    await pin("v2");
    expect(await next()).toBeNull();
  });

  test("end with the session", async () => {
    const { path, pin } = await pinnedService(account, "session");
    const client = pageClient();
    const csrf = hiddenField((await client.visit("/login")).html, "csrf");
    await client.post("/login", { csrf, token: account.admin });
    const { next } = await follow(client, path);
    expect(await next()).toContain("revision 1");
    await client.post("/logout", { csrf: hiddenField((await client.visit(path)).html, "csrf") });
    await pin("v2");
    expect(await next()).toBeNull();
  });

  test("end with the service", async () => {
    const { api, path } = await pinnedService(account, "deleted");
    const { next } = await follow(loggedIn(account.admin), path);
    expect(await next()).toContain("revision 1");
    expect((await send(api, { method: "DELETE", token: account.admin })).status).toBe(204);
    expect(await next()).toBeNull();
  });
});

describe("a stream of changes that is asked for", () => {
  test("without a session is over for good, so that the page's script does not ask again", async () => {
    const { path } = await pinnedService(account, "asked-for");
    for (const client of [pageClient(), loggedIn("acme-1_000000000000.x")]) {
      const { status, headers, html } = await client.visit(`${path}?live=`, eventStream);
      expect([status, headers.get("content-type")]).toEqual([200, "text/event-stream"]);
      expect(html).toMatch(/^event: over\ndata: .*\n\n$/);
    }
    expect((await pageClient().visit(`${path}?live=`)).status).toBe(303);
  });

  test("of what the visitor may not see is over for good, and tells a person what the page would", async () => {
    const { path } = await pinnedService(account, "theirs");
    const other = loggedIn((await createAccount()).admin);
    const narrow = loggedIn((await createToken(account, { role: "read", service: "pinned" })).secret_token);
    for (const [client, refusal] of [[other, 404] as const, [narrow, 403] as const]) {
      const { headers, html } = await client.visit(`${path}?live=`, eventStream);
      expect(headers.get("content-type")).toBe("text/event-stream");
      expect(html).toMatch(/^event: over\ndata: .*\n\n$/);
      expect((await client.visit(`${path}?live=`)).status).toBe(refusal);
    }
  });

  test("of a page that has none is the page", async () => {
    const { headers, html } = await loggedIn(account.admin).visit("/settings?live=", eventStream);
    expect(headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(html).toContain("<h1>Settings</h1>");
  });
});
