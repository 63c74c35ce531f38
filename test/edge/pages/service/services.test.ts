import { describe, expect } from "vitest";
import { createdToken } from "../../../../src/protocol/v3/accounts.ts";
import { call, createAccount, createService, send } from "../../../support/worker/api.ts";
import { loggedIn } from "../../../support/worker/page-client.ts";
import { test } from "../../../support/worker/page-test.ts";
import { digestOf, pinnedService } from "../../../support/worker/pinned-service.ts";

/** What a page says, without its tags. */
function text(html: string): string {
  const main = html.slice(html.indexOf("<main"));
  return main.replaceAll(/<[^>]*>/g, " ").replaceAll(/\s+/g, " ");
}

describe("the page of all services", () => {
  test("of an account that has none says how to make one", async () => {
    const empty = await createAccount();
    const { status, html } = await loggedIn(empty.admin).visit("/");
    expect(status).toBe(200);
    expect(html).toContain(`Account ${empty.name} has no services yet.`);
    expect(html).toContain("jamsocket service create my-service\njamsocket push my-service");
  });

  test("shows each with its environments: what they are pinned to, what they run, and how much of it", async ({
    admin,
    newService,
  }) => {
    const { path, connect } = await newService("listed");
    const before = text((await admin.visit("/")).html);
    expect(before).toContain("listed 0 live last spawn: never");
    await connect();
    await connect();
    const { html } = await admin.visit("/");
    expect(html).toContain(`href="${path}"`);
    expect(html).toContain(`href="${path}/environment/prod"`);
    expect(html).toContain(`title="${digestOf.v1}"`);
    expect(text(html)).toMatch(/listed 2 live last spawn: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/);
    expect(text(html)).toMatch(/default latest nothing yet 0 prod v1 sha256:111111111111 2/);
  });

  test("shows fifty at once, and the others on the page behind its link", async () => {
    const many = await createAccount();
    for (let n = 0; n < 51; n++) await createService(many, `s${n}`);
    const visitor = loggedIn(many.admin);
    const first = (await visitor.visit("/")).html;
    const more = /<a href="(\/\?cursor=[^"]+)">More services/.exec(first)?.[1] ?? "";
    const second = (await visitor.visit(more)).html;
    const names = [first, second].flatMap((html) =>
      [...html.matchAll(/<h2><a [^>]*>(\w+)</g)].map(([, name]) => name),
    );
    expect(names).toEqual(Array.from({ length: 51 }, (_, n) => `s${50 - n}`));
    expect(second).not.toContain("More services");
    expect((await visitor.visit("/?cursor=x'")).status).toBe(400);
  });
});

describe("a service with many environments", () => {
  const environmentsOf = (html: string) => [
    ...new Set([...html.matchAll(/href="[^"]*\/environment\/([\w-]+)"/g)].map(([, name]) => name)),
  ];

  test("has twenty on its page at once, the first ones on the list of services, and links to the others", async ({
    admin,
    newService,
  }) => {
    const { path, environment } = await newService("wide");
    for (let n = 0; n < 24; n++) await environment("v1", `e${n}`);
    const all = ["default", "prod", ...Array.from({ length: 24 }, (_, n) => `e${n}`)];
    const first = (await admin.visit(`${path}?over=day`)).html;
    const more = /<a href="([^"]+)">More environments/.exec(first)?.[1]?.replaceAll("&amp;", "&") ?? "";
    expect(more).toContain("over=day");
    const second = (await admin.visit(more)).html;
    expect(environmentsOf(first)).toEqual(all.slice(0, 20));
    expect(environmentsOf(second)).toEqual(all.slice(20));
    expect(second).not.toContain("More environments");
    expect((await admin.visit(`${path}?environments=x'`)).status).toBe(400);
    const listed = (await admin.visit("/")).html;
    const card = listed.slice(listed.indexOf(`href="${path}"`)).split("</article>", 1)[0] ?? "";
    expect(environmentsOf(card)).toEqual(all.slice(0, 10));
    expect(card).toContain(`<a href="${path}">All environments</a>`);
  });
});

describe("the page of a service", () => {
  test("without an image says how to push one, by the CLI and by docker", async ({ account, admin }) => {
    await createService(account, "fresh");
    const { html } = await admin.visit(`/service/${account.name}/fresh`);
    expect(html).toContain("jamsocket push fresh my-image:latest");
    expect(html).toContain(`docker push api.test/${account.name}/fresh:latest`);
    expect(text(html)).toContain("nothing: no image with this tag was pushed yet");
    expect(text(html)).toContain("None: there is no image to run yet.");
  });

  test("without a backend says how to start one, where there is an image to run", async ({
    admin,
    newService,
  }) => {
    const { path } = await newService("idle");
    const { html } = await admin.visit(path);
    expect(html).toContain("jamsocket connect idle/prod");
    expect(html).not.toContain("docker push");
  });

  test("shows of each environment the pin, the digest, who set it and when, and why", async ({
    admin,
    newService,
  }) => {
    const { path, pin } = await newService("shown");
    await pin("v2", "because");
    const { html } = await admin.visit(path);
    expect(text(html)).toMatch(
      /Pinned to v2 , revision 2 Runs now sha256:222222222222 Since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC by first admin : because Cluster main no agent/,
    );
    expect(html).toContain(`href="${path}/images/${digestOf.v2}"`);
    expect(html).toContain(`href="${path}/environment/prod#pin"`);
  });

  test("shows markup in notes and in tokens' names as text", async ({ account, admin, newService }) => {
    const { api, path } = await newService("hostile");
    const name = "<b>who</b>";
    const json = { name, role: "deploy" };
    const { secret_token } = await call(createdToken, `/v3/accounts/${account.name}/tokens`, {
      token: account.admin,
      json,
    });
    const note = '"><img src=x onerror=alert(1)>\u202e';
    await send(`${api}/environments/prod/pin`, {
      method: "PUT",
      token: secret_token,
      json: { image: "v2", note },
    });
    for (const page of [path, `${path}/environment/prod`]) {
      const { html } = await admin.visit(page);
      expect(html).toContain("&lt;b&gt;who&lt;/b&gt;");
      expect(html).toContain("&quot;&gt;&lt;img src=x onerror=alert(1)&gt;");
      expect(html).not.toMatch(/<img|<b>/);
    }
    const visitor = loggedIn(secret_token);
    expect((await visitor.visit("/")).html).toContain(`${account.name} as &lt;b&gt;who&lt;/b&gt;`);
  });

  test("shows what runs, by digest, and links to exactly those backends", async ({ admin, newService }) => {
    const { path, connect, pin } = await newService("running");
    await connect();
    await pin("v2");
    const { backend_id } = await connect("prod", "doc");
    const { html } = await admin.visit(path);
    for (const digest of Object.values(digestOf)) {
      const query = new URLSearchParams({ environment: "prod", digest }).toString();
      expect(html).toContain(`href="${path}/backends?${query.replaceAll("&", "&amp;")}"`);
    }
    expect(html).toContain(`href="/backend/${backend_id}"`);
    expect(text(html)).toContain("2 spawned, 0 reused, 0 refused");
  });

  test("shows twenty backends, and where the others are", async ({ admin, newService }) => {
    const { path, connect } = await newService("busy");
    for (let n = 0; n < 20; n++) await connect();
    expect((await admin.visit(path)).html).not.toContain("All live backends");
    await connect();
    const { html } = await admin.visit(path);
    expect(html.match(/href="\/backend\//g)).toHaveLength(20);
    expect(html).toContain(`<a href="${path}/backends">All live backends</a>`);
  });

  test("says how each environment's cluster is", async ({ admin, agentToken, newService }) => {
    const { path } = await newService("healthy");
    expect(text((await admin.visit(path)).html)).toContain("main no agent");
    const json = { cluster: "main", agent_id: "agent-1", version: "1", backends: [] };
    expect((await send("/v3/agent/heartbeat", { token: agentToken, json })).status).toBe(200);
    expect(text((await admin.visit(path)).html)).toContain("main healthy");
    await send("/v3/agent/heartbeat", { token: agentToken, json: { ...json, draining: true } });
    expect(text((await admin.visit(path)).html)).toContain("main draining");
  });

  test("without a cluster says that spawns are refused", async () => {
    const other = await createAccount();
    const { path } = await pinnedService(other, "homeless");
    const visitor = loggedIn(other.admin);
    expect(text((await visitor.visit(path)).html)).toContain("none yet: spawns are refused");
    expect((await visitor.visit(`${path}/environment/prod`)).status).toBe(200);
  });
});
