import { describe, expect, vi } from "vitest";
import { eventList } from "../../../../src/protocol/v3/events.ts";
import {
  call,
  createAccount,
  createCluster,
  createService,
  createToken,
  send,
} from "../../../support/worker/api.ts";
import { loggedIn } from "../../../support/worker/page-client.ts";
import { test as pageTest } from "../../../support/worker/page-test.ts";

const digest = `sha256:${"a".repeat(64)}`;
const soon = { timeout: 5_000, interval: 5 };

const test = pageTest
  .extend(
    "list",
    { scope: "file" },
    ({ account }) =>
      (query = "") =>
        call(eventList, `/v3/accounts/${account.name}/events${query}`, { token: account.admin }),
  )
  /** Of the API. */
  .extend("service", { scope: "file" }, async ({ account, agentToken: _ }) => {
    const service = await createService(account);
    await createService(account, "other");
    await send(`${service}/environments`, { token: account.admin, json: { name: "staging" } });
    return service;
  })
  /** Records an image under a tag, and waits until the account has that event. */
  .extend("record", { scope: "file", auto: true }, async ({ account, service, list }) => {
    const record = async (tag: string): Promise<void> => {
      await send(`${service}/images`, { token: account.admin, json: { digest, tag } });
      await vi.waitFor(async () => {
        const { events } = await list("?type=image.recorded");
        expect(events.map(({ details }) => details?.tag)).toContain(tag);
      }, soon);
    };
    await record("v1");
    return record;
  });

/** The rows of a page, without its filter. */
const rows = (html: string) => html.split("<tr").filter((row) => row.includes(' id="event-'));

describe("the page of events", () => {
  test("shows who did what and when, newest first, with links to what it names", async ({
    account,
    admin,
    list,
  }) => {
    const { status, html } = await admin.visit("/events");
    expect(status).toBe(200);
    const { events } = await list();
    expect(rows(html).map((row) => /id="event-([^"]*)"/.exec(row)?.[1])).toEqual(events.map(({ id }) => id));
    const [recorded] = rows(html).filter((row) => row.includes("recorded image"));
    expect(recorded).toContain("first admin");
    expect(recorded).toContain(`href="/service/${account.name}/hello"`);
    expect(recorded).toContain(`href="/service/${account.name}/hello/images/${digest}"`);
    expect(html).toContain(`href="/service/${account.name}/hello/environment/staging"`);
    expect(html).toContain('href="/clusters/main"');
  });

  test("names the system where nobody acted", async ({ admin, list }) => {
    const { events } = await list();
    const own = events.find(({ actor }) => actor === null);
    const row = rows((await admin.visit("/events")).html).find((one) => one.includes(`event-${own?.id}`));
    expect(row).toContain("the system");
  });

  test("escapes markup in the names of tokens", async ({ account, admin }) => {
    const name = "<b>`x</b>";
    const path = `/v3/accounts/${account.name}/tokens`;
    await send(path, { token: account.admin, json: { name, role: "read" } });
    const { html } = await admin.visit("/events?type=token.created");
    expect(html).toContain("created token `&lt;b&gt;`x&lt;/b&gt;`");
    expect(html).not.toContain("<b>");
  });

  test("does not link to what was deleted", async ({ account, admin }) => {
    await createCluster(account, "doomed");
    const path = `/v3/accounts/${account.name}/clusters/doomed`;
    expect((await send(path, { method: "DELETE", token: account.admin })).status).toBe(204);
    const { html } = await admin.visit("/events?type=cluster.deleted");
    expect(html).toContain("doomed");
    expect(html).not.toContain('href="/clusters/doomed"');
  });

  test.for([
    ["service=other", "created service <code", "hello"],
    ["environment=staging", "staging", "other"],
    ["cluster=main", "registered cluster", "created service"],
    ["type=image.recorded&service=", "recorded image", "registered cluster"],
  ] as const)(
    "shows with the filter %s only what it selects",
    async ([query, present, absent], { admin }) => {
      const { html } = await admin.visit(`/events?${query}`);
      expect(rows(html).join("")).toContain(present);
      expect(rows(html).join("")).not.toContain(`<code class="wraps">${absent}`);
      expect(rows(html).join("")).not.toContain(`>${absent}`);
    },
  );

  test("says so where nothing matches, and refuses a filter that can match nothing", async ({ admin }) => {
    expect((await admin.visit("/events?service=nothing")).html).toContain("No event matches this filter");
    for (const query of ["type=nonsense", "service=No!", "cursor=7"]) {
      expect((await admin.visit(`/events?${query}`)).status).toBe(400);
    }
  });

  test("shows 50 at a time, and the way to the earlier ones under the same filter", async () => {
    const many = await createAccount();
    const visitor = loggedIn(many.admin);
    for (let i = 0; i < 51; i++) await createToken(many, { role: "read" });
    const { html } = await visitor.visit("/events?type=token.created");
    expect(rows(html)).toHaveLength(50);
    const next = /href="([^"]*cursor=[^"]*)"/.exec(html)?.[1]?.replaceAll("&amp;", "&") ?? "";
    expect(next).toContain("type=token.created");
    expect(rows((await visitor.visit(next)).html)).toHaveLength(2);
  });

  test("shows nothing of another account", async () => {
    const other = await createAccount();
    const { html } = await loggedIn(other.admin).visit("/events");
    expect(rows(html)).toHaveLength(1);
    expect(html).not.toContain("hello");
  });
});

describe("a token that is narrowed to a service", () => {
  test("sees the events of that service only, and no link to a cluster", async ({ account, list }) => {
    const { secret_token } = await createToken(account, { role: "read", service: "hello" });
    const visitor = loggedIn(secret_token);
    const { status, html } = await visitor.visit("/events");
    expect(status).toBe(200);
    const { events } = await list("?service=hello");
    expect(rows(html)).toHaveLength(events.length);
    expect(html).not.toContain("other");
    expect(html).not.toContain("/clusters/main");
    expect((await visitor.visit("/events?service=other")).status).toBe(403);
  });

  test("and to environments sees nothing of the others", async ({ account }) => {
    const { secret_token } = await createToken(account, {
      role: "read",
      service: "hello",
      environments: ["default"],
    });
    const visitor = loggedIn(secret_token);
    expect((await visitor.visit("/events")).html).not.toContain("staging");
    expect((await visitor.visit("/events?environment=staging")).status).toBe(403);
  });
});

describe("the live page of events", () => {
  test("shows what happens from now on, first", async ({ admin, record }) => {
    expect((await admin.visit("/events")).html).toContain('hx-sse:connect="/events?live="');
    const stream = await admin.follow("/events");
    expect(await stream.next()).not.toContain("live-tag");
    await record("live-tag");
    expect(rows((await stream.next()) ?? "")[0]).toContain("live-tag");
  });

  test("shows what passes its filter, to whoever may see it", async ({ account, record }) => {
    const { secret_token } = await createToken(account, { role: "read", service: "hello" });
    const stream = await loggedIn(secret_token).follow("/events?type=image.recorded");
    await stream.next();
    await createService(account, "unseen");
    await record("passes");
    const text = (await stream.next()) ?? "";
    expect(rows(text)[0]).toContain("passes");
    expect(text).not.toContain("unseen");
  });

  test("is not live where it shows earlier events", async ({ admin, list }) => {
    const { events } = await list();
    const { html } = await admin.visit(`/events?cursor=${events[0]?.id}`);
    expect(html).not.toContain("hx-sse:connect");
  });
});
