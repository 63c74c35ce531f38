import { beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { connectAnswer } from "../../../../src/protocol/jamsocket/v2.ts";
import { type Backend, backendList } from "../../../../src/protocol/v3/backends.ts";
import {
  call,
  createAccount,
  createCluster,
  createService,
  createToken,
  send,
  type TestAccount,
} from "../../../support/worker/api.ts";
import { startFakeCluster } from "../../../support/worker/fake-cluster.ts";
import { pageVisitor } from "../../../support/worker/page-visitor.ts";

const images = { latest: `sha256:${"1".repeat(64)}`, other: `sha256:${"2".repeat(64)}` };

let account: TestAccount;
let admin: ReturnType<typeof pageVisitor>;
let agentToken: string;
beforeAll(async () => {
  startFakeCluster();
  account = await createAccount();
  agentToken = (await createCluster(account)).agent_token;
  admin = pageVisitor(account.admin);
});
/** A service with the environments `default` and `prod`, and the ways to its backends. */
async function newService(name: string) {
  const api = await createService(account, name);
  const token = account.admin;
  for (const [tag, digest] of Object.entries(images)) {
    await call(z.looseObject({}), `${api}/images`, { token, json: { digest, tag } });
  }
  await call(z.looseObject({}), `${api}/environments`, { token, json: { name: "prod", image: "other" } });
  const path = `/service/${account.name}/${name}/backends`;

  return {
    path,
    async start(environment: string, key?: string): Promise<string> {
      const connect = `/v2/service/${account.name}/${name}/${environment}/connect`;
      return (await call(connectAnswer, connect, { token, json: key === undefined ? {} : { key } }))
        .backend_id;
    },
    async live(): Promise<Backend[]> {
      return (await call(backendList, `${api}/backends?limit=200`, { token })).backends;
    },
    async end(id: string): Promise<void> {
      const found = (await this.live()).find((backend) => backend.id === id);
      const json = { status: "terminated", fencing_token: found?.fencing_token };
      const told = await send(`/v3/agent/backends/${id}/status`, { token: agentToken, json });
      expect(told.status).toBe(200);
    },
    /** The ids of the backends that the page shows, in its order. */
    async shown(query: Record<string, string> = {}): Promise<string[]> {
      const { html } = await admin.visit(`${path}?${new URLSearchParams(query)}`);
      return [...html.matchAll(/href="\/backend\/(\w+)"/g)].map(([, id = ""]) => id);
    },
  };
}

describe("the page of a service's backends", () => {
  test("says how to start one where none is live", async () => {
    const { path } = await newService("empty");
    expect((await admin.visit(path)).html).toContain("jamsocket connect empty/default");
  });

  let filtered: Awaited<ReturnType<typeof newService>>;
  beforeAll(async () => {
    filtered = await newService("filtered");
  });

  test("shows the live ones, newest first, and only those that its filter names", async () => {
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

  test("shows a key with markup in it as text, in its row and in its filter", async () => {
    const { path, start } = await newService("hostile");
    const key = `"><img src=x onerror=alert(1)>`;
    await start("default", key);
    const { html } = await admin.visit(`${path}?${new URLSearchParams({ key })}`);
    expect(html.match(/&quot;&gt;&lt;img src=x onerror=alert\(1\)&gt;/g)).toHaveLength(2);
    expect(html).not.toContain("<img");
  });

  test("keeps the filter in the link to more", async () => {
    const { path, start } = await newService("many");
    for (let n = 0; n < 51; n++) await start("prod");
    await start("default");
    const first = await admin.visit(`${path}?environment=prod`);
    const more = /href="([^"]*cursor=[^"]*)"/.exec(first.html)?.[1]?.replaceAll("&amp;", "&") ?? "";
    const second = await admin.visit(more);
    const count = (html: string) => [...html.matchAll(/href="\/backend\//g)].length;
    expect([count(first.html), count(second.html)]).toEqual([50, 1]);
    expect(second.html).toContain('<option value="prod" selected');
  });

  test.each([
    ["digest=sha256:0", "`digest`"],
    ["status=dead", "`status`"],
    ["environment=UPPER", "`environment`"],
    [`key=${"k".repeat(129)}`, "`key`"],
    ["cursor=x", "`cursor`"],
  ])("refuses the filter %s and says what is wrong", async (query, reason) => {
    const { status, html } = await admin.visit(`${filtered.path}?${query}`);
    expect(status).toBe(400);
    expect(html).toContain(reason);
  });

  test("is found for a service of the visitor's own account only", async () => {
    const { path } = await newService("mine");
    const stranger = pageVisitor((await createAccount()).admin);
    expect((await stranger.visit(path)).status).toBe(404);
    expect((await admin.visit(path.replace("/mine/", "/nothing/"))).status).toBe(404);
  });

  test("shows a token that is narrowed to environments the backends of those only", async () => {
    const { path, start } = await newService("narrowed");
    const [seen, unseen] = [await start("prod", "seen"), await start("default", "unseen")];
    const token = { role: "read" as const, service: "narrowed", environments: ["prod"] };
    const { html } = await pageVisitor((await createToken(account, token)).secret_token).visit(path);
    expect(html).toContain(seen);
    expect(html).not.toContain(unseen);
    expect(html).not.toContain('<option value="default"');
  });
});

describe("terminating all backends by their page", () => {
  test("says how many it ends, and ends those of every environment, softly or hard", async () => {
    for (const [how, status] of [
      ["soft", "terminating"],
      ["hard", "hard-terminating"],
    ] as const) {
      const hello = await newService(`all-${how}`);
      await hello.start("prod");
      await hello.start("default");
      expect((await admin.visit(hello.path)).html).toContain("Terminate 2 backends");
      const ended = await admin.submit(hello.path, "terminate-all", { how, environment: "" });
      expect([ended.status, ended.location]).toEqual([303, hello.path]);
      expect((await hello.live()).map((backend) => backend.status)).toEqual([status, status]);
    }
  });

  test("ends those of the environment only that the page is filtered by", async () => {
    const hello = await newService("one-environment");
    await hello.start("prod");
    await hello.start("default");
    const { html } = await admin.visit(`${hello.path}?environment=prod`);
    expect(html).toContain("Terminate 1 backend<");
    expect(html).toContain('<input type="hidden" name="environment" value="prod"');
    await admin.submit(hello.path, "terminate-all", { how: "soft", environment: "prod" });
    const statuses = (await hello.live()).map(({ environment, status }) => `${environment} ${status}`);
    expect(statuses).toEqual(["default scheduled", "prod terminating"]);
  });

  test("ends for a narrowed token only what it may end", async () => {
    const hello = await newService("narrow-end");
    await hello.start("prod");
    await hello.start("default");
    const token = { role: "spawn" as const, service: "narrow-end", environments: ["prod"] };
    const spawner = pageVisitor((await createToken(account, token)).secret_token);
    expect((await spawner.visit(hello.path)).html).toContain("Terminate 1 backend<");
    for (const environment of ["default", ""]) {
      await spawner.submit(hello.path, "terminate-all", { how: "soft", environment });
    }
    const statuses = (await hello.live()).map(({ environment, status }) => `${environment} ${status}`);
    expect(statuses).toEqual(["default scheduled", "prod terminating"]);
  });

  test("is refused to a token that may not, with the reason, and to a form that is not right", async () => {
    const hello = await newService("kept");
    await hello.start("prod");
    const reader = pageVisitor((await createToken(account, { role: "read" })).secret_token);
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
