import { describe, expect } from "vitest";
import { z } from "zod";
import { connectAnswer } from "../../../../src/protocol/jamsocket/v2.ts";
import { type Backend, backendList } from "../../../../src/protocol/v3/backends.ts";
import { call, createAccount, createService, createToken, send } from "../../../support/worker/api.ts";
import { loggedIn } from "../../../support/worker/page-client.ts";
import { test as pageTest } from "../../../support/worker/page-test.ts";

const images = { latest: `sha256:${"1".repeat(64)}`, other: `sha256:${"2".repeat(64)}` };

const test = pageTest
  /** Makes a service with the environments `default` and `prod`, and the ways to its backends. */
  .extend("makeService", { scope: "file" }, ({ account, admin, agentToken }) => async (name: string) => {
    const api = await createService(account, name);
    const token = account.admin;
    for (const [tag, digest] of Object.entries(images)) {
      await call(z.looseObject({}), `${api}/images`, { token, json: { digest, tag } });
    }
    await call(z.looseObject({}), `${api}/environments`, { token, json: { name: "prod", image: "other" } });
    const path = `/service/${account.name}/${name}/backends`;
    const live = async (): Promise<Backend[]> =>
      (await call(backendList, `${api}/backends?limit=200`, { token })).backends;
    return {
      path,
      async start(environment: string, key?: string): Promise<string> {
        const connect = `/v2/service/${account.name}/${name}/${environment}/connect`;
        return (await call(connectAnswer, connect, { token, json: key === undefined ? {} : { key } }))
          .backend_id;
      },
      live,
      async end(id: string): Promise<void> {
        const found = (await live()).find((backend) => backend.id === id);
        const json = { status: "terminated", fencing_token: found?.fencing_token };
        const reported = await send(`/v3/agent/backends/${id}/status`, { token: agentToken, json });
        expect(reported.status).toBe(200);
      },
      /** The ids of the backends that the page shows, in its order. */
      async shown(query: Record<string, string> = {}): Promise<string[]> {
        const { html } = await admin.visit(`${path}?${new URLSearchParams(query)}`);
        return [...html.matchAll(/href="\/backend\/(\w+)"/g)].map(([, id = ""]) => id);
      },
    };
  })
  .extend("filtered", { scope: "file" }, ({ makeService }) => makeService("filtered"));

describe("the page of a service's backends", () => {
  test("says how to start one where none is live", async ({ admin, makeService }) => {
    const { path } = await makeService("empty");
    expect((await admin.visit(path)).html).toContain("jamsocket connect empty/default");
  });

  test("shows the live ones, newest first, and only those that its filter names", async ({ filtered }) => {
    const hello = filtered;
    const [a, b, c] = [
      await hello.start("default", "k1"),
      await hello.start("prod", "k1"),
      await hello.start("prod"),
    ];
    await hello.end(c);
    expect(await hello.shown()).toEqual([b, a]);
    expect(await hello.shown({ environment: "", status: "live", key: "", digest: "" })).toEqual([b, a]);
    expect(await hello.shown({ environment: "prod" })).toEqual([b]);
    expect(await hello.shown({ key: "k1", digest: images.latest })).toEqual([a]);
    expect(await hello.shown({ key: "k2" })).toEqual([]);
    expect(await hello.shown({ status: "ended" })).toEqual([c]);
  });

  test("shows a key with markup in it as text, in its row and in its filter", async ({
    admin,
    makeService,
  }) => {
    const { path, start } = await makeService("hostile");
    const key = `"><img src=x onerror=alert(1)>`;
    await start("default", key);
    const { html } = await admin.visit(`${path}?${new URLSearchParams({ key })}`);
    expect(html.match(/&quot;&gt;&lt;img src=x onerror=alert\(1\)&gt;/g)).toHaveLength(2);
    expect(html).not.toContain("<img");
  });

  test("keeps the filter in the link to more", async ({ admin, makeService }) => {
    const { path, start } = await makeService("many");
    for (let n = 0; n < 51; n++) await start("prod");
    await start("default");
    const first = await admin.visit(`${path}?environment=prod`);
    const more = /href="([^"]*cursor=[^"]*)"/.exec(first.html)?.[1]?.replaceAll("&amp;", "&") ?? "";
    const second = await admin.visit(more);
    const count = (html: string) => [...html.matchAll(/href="\/backend\//g)].length;
    expect([count(first.html), count(second.html)]).toEqual([50, 1]);
    expect(second.html).toContain('<option value="prod" selected');
  });

  test("leads on through the ended ones, the last end first, and back again with the same filter", async ({
    account,
    admin,
    makeService,
  }) => {
    const { path, start, end } = await makeService("passed");
    const ids: string[] = [];
    for (let n = 0; n < 52; n++) ids.unshift(await start("prod"));
    const unmeant = await start("default");
    for (const id of ids.toReversed()) await end(id);
    await end(unmeant);
    const visit = async (at: string) => {
      const { html } = await admin.visit(at);
      const link = (text: string) =>
        new RegExp(`href="([^"]*)">${text} backends</a>`).exec(html)?.[1]?.replaceAll("&amp;", "&");
      const shown = Array.from(html.matchAll(/href="\/backend\/(\w+)"/g), ([, id]) => id);
      return { shown, more: link("More"), previous: link("Previous") };
    };
    const first = await visit(`${path}?status=ended&environment=prod`);
    const second = await visit(first.more ?? "");
    expect([first.previous, second.more]).toEqual([undefined, undefined]);
    expect([...first.shown, ...second.shown]).toEqual(ids);
    const returned = await visit(second.previous ?? "");
    expect([returned.shown, returned.previous]).toEqual([first.shown, undefined]);
    expect((await visit(returned.more ?? "")).shown).toEqual(second.shown);

    const api = `/v3/accounts/${account.name}/services/passed/backends?status=terminated&limit=26`;
    const list = (cursor?: string) =>
      call(backendList, cursor === undefined ? api : `${api}&cursor=${cursor}`, { token: account.admin });
    const newest = await list();
    const oldest = await list((await list(newest.next_cursor)).next_cursor);
    expect([newest.previous_cursor, oldest.next_cursor]).toEqual([undefined, undefined]);
    expect(await list((await list(oldest.previous_cursor)).previous_cursor)).toEqual(newest);
  });

  test.for([
    ["digest=sha256:0", "`digest`"],
    ["status=dead", "`status`"],
    ["environment=UPPER", "`environment`"],
    [`key=${"k".repeat(129)}`, "`key`"],
    ["cursor=x", "`cursor`"],
  ] as const)(
    "refuses the filter %s and says what is wrong",
    async ([query, reason], { admin, filtered }) => {
      const { status, html } = await admin.visit(`${filtered.path}?${query}`);
      expect(status).toBe(400);
      expect(html).toContain(reason);
    },
  );

  test("is found for a service of the visitor's own account only", async ({ admin, makeService }) => {
    const { path } = await makeService("mine");
    const stranger = loggedIn((await createAccount()).admin);
    expect((await stranger.visit(path)).status).toBe(404);
    expect((await admin.visit(path.replace("/mine/", "/nothing/"))).status).toBe(404);
  });

  test("shows a token that is narrowed to environments the backends of those only", async ({
    account,
    makeService,
  }) => {
    const { path, start } = await makeService("narrowed");
    const [seen, unseen] = [await start("prod", "seen"), await start("default", "unseen")];
    const token = { role: "read" as const, service: "narrowed", environments: ["prod"] };
    const { html } = await loggedIn((await createToken(account, token)).secret_token).visit(path);
    expect(html).toContain(seen);
    expect(html).not.toContain(unseen);
    expect(html).not.toContain('<option value="default"');
  });
});

describe("terminating all backends by their page", () => {
  test("says how many it ends, and ends those of every environment, softly or hard", async ({
    admin,
    makeService,
  }) => {
    for (const [how, status] of [
      ["soft", "terminating"],
      ["hard", "hard-terminating"],
    ] as const) {
      const hello = await makeService(`all-${how}`);
      await hello.start("prod");
      await hello.start("default");
      expect((await admin.visit(hello.path)).html).toContain("Terminate 2 backends");
      const ended = await admin.submit(hello.path, "terminate-all", { how, environment: "" });
      expect([ended.status, ended.location]).toEqual([303, hello.path]);
      expect((await hello.live()).map((backend) => backend.status)).toEqual([status, status]);
      expect((await admin.visit(hello.path)).html).toContain("2 to go");
    }
  });

  test("ends those of the environment only that the page is filtered by", async ({ admin, makeService }) => {
    const hello = await makeService("one-environment");
    await hello.start("prod");
    await hello.start("default");
    const { html } = await admin.visit(`${hello.path}?environment=prod`);
    expect(html).toContain("Terminate 1 backend<");
    expect(html).toContain('<input type="hidden" name="environment" value="prod"');
    await admin.submit(hello.path, "terminate-all", { how: "soft", environment: "prod" });
    const statuses = (await hello.live()).map(({ environment, status }) => `${environment} ${status}`);
    expect(statuses).toEqual(["default scheduled", "prod terminating"]);
  });

  test("ends for a narrowed token only what it may end", async ({ account, makeService }) => {
    const hello = await makeService("narrow-end");
    await hello.start("prod");
    await hello.start("default");
    const token = { role: "spawn" as const, service: "narrow-end", environments: ["prod"] };
    const spawner = loggedIn((await createToken(account, token)).secret_token);
    expect((await spawner.visit(hello.path)).html).toContain("Terminate 1 backend<");
    for (const environment of ["default", ""]) {
      await spawner.submit(hello.path, "terminate-all", { how: "soft", environment });
    }
    const statuses = (await hello.live()).map(({ environment, status }) => `${environment} ${status}`);
    expect(statuses).toEqual(["default scheduled", "prod terminating"]);
  });

  test("is refused to a token that may not, with the reason, and to a form that is not right", async ({
    account,
    admin,
    makeService,
  }) => {
    const hello = await makeService("kept");
    await hello.start("prod");
    const reader = loggedIn((await createToken(account, { role: "read" })).secret_token);
    expect((await reader.visit(hello.path)).html).toContain("You may not terminate them");
    const refused = await reader.submit(hello.path, "terminate-all", { how: "hard", environment: "" });
    expect(refused.status).toBe(403);
    expect(refused.html).toContain("it needs `admin` or `spawn`");
    expect((await admin.post(hello.path, { do: "terminate-all", how: "hard" })).status).toBe(403);
    for (const fields of [{ how: "gently" }, { how: "hard", environment: "NO" }, {}]) {
      expect((await admin.submit(hello.path, "terminate-all", fields)).status).toBe(400);
    }
    expect((await hello.live()).map(({ status }) => status)).toEqual(["scheduled"]);
  });
});
