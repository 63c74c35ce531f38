import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, vi } from "vitest";
import { serviceStub } from "../../../../src/objects/stubs.ts";
import { heartbeatAnswer } from "../../../../src/protocol/v3/agent.ts";
import { observedCluster } from "../../../../src/protocol/v3/clusters.ts";
import { deliveryList } from "../../../../src/protocol/v3/deliveries.ts";
import {
  call,
  createAccount,
  createCluster,
  createService,
  createToken,
  send,
  type TestAccount,
} from "../../../support/worker/api.ts";
import { hiddenField, loggedIn } from "../../../support/worker/page-client.ts";
import { frozenTest } from "../../../support/worker/page-test.ts";

const page = "/clusters/main";
const apiOf = (account: TestAccount, rest = "") => `/v3/accounts/${account.name}/clusters/main${rest}`;

const test = frozenTest
  .extend(
    "shown",
    ({ account }) =>
      () =>
        call(observedCluster, apiOf(account), { token: account.admin }),
  )
  .extend("deliveries", ({ account }) => async () => {
    const { admin: token } = account;
    return (await call(deliveryList, apiOf(account, "/deliveries"), { token })).deliveries;
  })
  /** Announces an image to the cluster, and waits until its log has that. */
  .extend("announced", ({ account, deliveries }) => async (): Promise<string> => {
    const service = await createService(account);
    const json = { digest: `sha256:${"a".repeat(64)}`, tag: "latest" };
    expect((await send(`${service}/images`, { token: account.admin, json })).status).toBe(201);
    return vi.waitFor(async () => {
      vi.setSystemTime(Date.now() + 12_000);
      await runDurableObjectAlarm(serviceStub(env, account.name, "hello"));
      const [delivery] = await deliveries();
      if (!delivery) throw new Error("the log is still empty");
      return delivery.id;
    });
  });

const buttons = ["ping", "redeliver", "make-default", "rotate", "delete"];

describe("the page of a cluster", () => {
  test("shows what it is, and how to start an agent while none has sent a heartbeat", async ({ admin }) => {
    const { status, html } = await admin.visit(page);
    expect(status).toBe(200);
    expect(html).toContain("https://cluster.test/hook");
    expect(html).toContain("https://{backend_id}.cluster.test");
    expect(html).toContain("after the cluster has answered (sync)");
    expect(html).toContain("no agent");
    expect(html).toContain("npx slipway --api-url http://api.test agent --cluster main ");
    expect(html).toContain("npx slipway clusters test main");
  });

  test("shows its agents, with markup in what they say of themselves escaped", async ({
    admin,
    agentToken,
  }) => {
    await call(heartbeatAnswer, "/v3/agent/heartbeat", {
      token: agentToken,
      json: {
        cluster: "main",
        agent_id: "agent-7",
        version: "<b>1.2</b>",
        backends: [],
        capacity: 42,
        draining: true,
      },
    });
    const { html } = await admin.visit(page);
    expect(html).toMatch(/agent-7.*&lt;b&gt;1\.2&lt;\/b&gt;.*<time.*it drains.*<td>0<\/td>.*<td>42<\/td>/s);
    expect(html).toContain("draining");
    expect(html).not.toContain("<b>1.2");
  });

  test("shows the room on its agents' disks, with a badge where it is scarce", async ({
    admin,
    agentToken,
  }) => {
    const beat = (id: string, disk?: object) =>
      call(heartbeatAnswer, "/v3/agent/heartbeat", {
        token: agentToken,
        json: { cluster: "main", agent_id: id, version: "1", backends: [], ...(disk && { disk }) },
      });
    const gb = 1e9;
    await beat("roomy", { free_bytes: 50 * gb, total_bytes: 100 * gb });
    await beat("nearly", { free_bytes: 14 * gb, total_bytes: 100 * gb });
    await beat("full", { free_bytes: 4.5 * gb, total_bytes: 100 * gb });
    await beat("unmeasured");
    const { html } = await admin.visit(page);
    const cells = html
      .split("<tr")
      .filter((row) => row.includes('id="agent-'))
      .map((row) => [
        /id="agent-([^"]*)"/.exec(row)?.[1],
        /.*<td>(.*)<\/td>/s.exec(row)?.[1]?.replaceAll(/<[^>]*>/g, ""),
      ]);
    expect(Object.fromEntries(cells)).toMatchObject({
      roomy: "50 GB of 100 GB free",
      nearly: "14 GB of 100 GB free nearly full",
      full: "4.5 GB of 100 GB free full",
      unmeasured: "not told",
    });
  });

  test("shows each attempt of a delivery, escaped, and of deliveries those of the outcome that is selected", async ({
    admin,
    cluster,
  }) => {
    const message = "<img src=x onerror=alert(1)>";
    cluster.script(() => Response.json({ error: { message } }, { status: 422 }));
    await admin.submit(page, "ping");
    const { html } = await admin.visit(page);
    expect(html).toMatch(/cluster\.ping.*refused.*answer 422/s);
    expect(html).toContain("&lt;img src=x onerror=alert(1)&gt;");
    expect(html).not.toContain("<img");
    expect((await admin.visit(`${page}?outcome=failed`)).html).toContain("answer 422");
    expect((await admin.visit(`${page}?outcome=delivered`)).html).not.toContain("answer 422");
    expect((await admin.visit(`${page}?outcome=`)).html).toContain("answer 422");
    expect((await admin.visit(`${page}?outcome=lost`)).status).toBe(400);
  });

  test("shows so many deliveries, and the way to the earlier ones", async ({ account, admin }) => {
    for (let i = 0; i < 21; i++)
      await send(apiOf(account, "/test"), { method: "POST", token: account.admin });
    const { html } = await admin.visit(`${page}?outcome=delivered`);
    expect(html.match(/id="delivery-/g)).toHaveLength(20);
    const next = /href="([^"]*cursor=[^"]*)"/.exec(html)?.[1]?.replaceAll("&amp;", "&") ?? "";
    expect(next).toContain("outcome=delivered");
    expect((await admin.visit(next)).html.match(/id="delivery-/g)).toHaveLength(1);
  });

  test("is made anew when something of the account changes, for as long as somebody looks", async ({
    account,
    admin,
  }) => {
    await createCluster(account, "second");
    expect((await admin.visit(page)).html).toContain(`hx-sse:connect="${page}?live="`);
    const { nextWith } = await admin.follow(page);
    await nextWith("environments made without a cluster spawn here");
    await admin.submit("/clusters/second", "make-default");
    await nextWith("Make it the default cluster");
  });

  test("is 404 for a cluster that does not exist, and for one of another account", async ({ admin }) => {
    const other = await createAccount();
    await createCluster(other, "foreign");
    for (const name of ["mian", "foreign"]) {
      expect((await admin.visit(`/clusters/${name}`)).status).toBe(404);
      for (const button of buttons) {
        expect((await admin.submit(`/clusters/${name}`, button, attempt({ delivery: "x" }))).status).toBe(
          404,
        );
      }
    }
    expect((await loggedIn(other.admin).visit("/clusters/foreign")).status).toBe(200);
  });

  test("is refused to a token that is narrowed to a service, as the API refuses it", async ({ account }) => {
    await createService(account);
    const { secret_token } = await createToken(account, { role: "admin", service: "hello" });
    const { status, html } = await loggedIn(secret_token).visit(page);
    expect(status).toBe(403);
    expect(html).not.toContain("cluster.test");
  });

  test("offers nothing to a token that may only look, and refuses what it sends with the reason", async ({
    account,
    shown,
    deliveries,
  }) => {
    const { secret_token } = await createToken(account, { role: "read" });
    await createCluster(account, "second");
    const before = [await shown(), await deliveries()];
    const reader = loggedIn(secret_token);
    const { html } = await reader.visit(page);
    expect(html).toContain("https://cluster.test/hook");
    for (const button of buttons) {
      expect(html).not.toContain(`value="${button}"`);
      const refused = await reader.submit(page, button, attempt({ delivery: "x" }));
      expect(refused.status).toBe(403);
      expect(refused.html).toContain("a token with the role `read` may not do this; it needs `admin`");
    }
    expect([await shown(), await deliveries()]).toEqual(before);
  });

  test("refuses every form without a CSRF token of this session", async ({
    account,
    admin,
    shown,
    deliveries,
  }) => {
    await createCluster(account, "second");
    const before = [await shown(), await deliveries()];
    for (const button of buttons) {
      const forged = attempt({ delivery: "x", do: button, csrf: "AAAA" });
      expect((await admin.post("/clusters/second", forged)).status).toBe(403);
      expect((await admin.post(page, forged)).status).toBe(403);
    }
    expect([await shown(), await deliveries()]).toEqual(before);
  });
});

function attempt(fields: Record<string, string> = {}) {
  return { attempt: crypto.randomUUID(), ...fields };
}

describe("a ping of a cluster", () => {
  test("that arrives is shown with the answer", async ({ admin, deliveries }) => {
    const sent = await admin.submit(page, "ping");
    expect([sent.status, sent.location]).toEqual([303, page]);
    expect((await deliveries())[0]).toMatchObject({ type: "cluster.ping", outcome: "delivered" });
  });

  test("that does not arrive is shown as a failure, with its error", async ({ admin, cluster }) => {
    cluster.script(500, () => Promise.reject(new TypeError("refused <b>")));
    const answered = await admin.submit(page, "ping");
    expect(answered.status).toBe(502);
    expect(answered.html).toMatch(/the ping was not delivered: answer 500 after .*the cluster answered 500/);
    const unreached = await admin.submit(page, "ping");
    expect(unreached.status).toBe(503);
    expect(unreached.html).toMatch(/the ping was not delivered: no answer after .*refused &lt;b&gt;/);
  });
});

describe("a delivery of a cluster", () => {
  test("is sent again with its id, and shown with the attempt and the answer", async ({
    account,
    admin,
    cluster,
    announced,
  }) => {
    const id = await announced();
    const sent = await admin.submit(page, "redeliver", { delivery: id });
    expect([sent.status, sent.location]).toEqual([303, page]);
    expect(cluster.of("image.pinned").filter(({ headers }) => headers["webhook-id"] === id)).toHaveLength(2);
    const { html } = await admin.visit(page);
    expect(html).toContain("All 2 attempts");
    expect(html).toContain(`href="/service/${account.name}/hello/environment/default"`);
  });

  test("that is not delivered when it is sent again is shown as a failure, with its error", async ({
    admin,
    cluster,
    announced,
  }) => {
    const id = await announced();
    cluster.always(() => new Response(null, { status: 500 }));
    const failed = await admin.submit(page, "redeliver", { delivery: id });
    cluster.always(() => Response.json({}));
    expect(failed.status).toBe(502);
    expect(failed.html).toMatch(new RegExp(`attempt 2 of ${id} was not delivered: answer 500`));
  });

  test("that is of no more use, or is not there, is refused with the reason", async ({
    admin,
    deliveries,
  }) => {
    await admin.submit(page, "ping");
    const [ping] = await deliveries();
    const over = await admin.submit(page, "redeliver", { delivery: ping?.id ?? "" });
    expect(over.status).toBe(409);
    expect(over.html).toContain("cannot be sent again");
    expect((await admin.submit(page, "redeliver", { delivery: "nonsense" })).status).toBe(404);
    expect((await admin.submit(page, "redeliver", { delivery: "<b>" })).status).toBe(400);
  });
});

describe("the signing secret of a cluster", () => {
  const secretOf = (html: string) => /whsec_[\w+/=]+/.exec(html)?.[0];

  test("is rotated, and the new one shown on that answer only, with until when the former signs", async ({
    admin,
    cluster,
  }) => {
    const { html } = await admin.visit(page);
    const fields = { attempt: hiddenField(html, "attempt") };
    const rotated = await admin.submit(page, "rotate", fields);
    expect(rotated.status).toBe(200);
    expect(secretOf(rotated.html)).toBeDefined();
    expect(rotated.html).toContain("2030-01-02 00:00:00 UTC");
    expect(secretOf((await admin.visit(page)).html)).toBeUndefined();
    await admin.submit(page, "ping");
    expect(cluster.of("cluster.ping").at(-1)?.headers["webhook-signature"]?.split(" ")).toHaveLength(2);
  });

  test("is rotated once by a form that is sent twice", async ({ admin }) => {
    const fields = attempt();
    const first = await admin.submit(page, "rotate", fields);
    const second = await admin.submit(page, "rotate", fields);
    expect(secretOf(second.html)).toBe(secretOf(first.html));
    expect((await admin.submit(page, "rotate", { attempt: "1" })).status).toBe(400);
  });
});

describe("a cluster", () => {
  test("is made the default", async ({ account, admin, shown }) => {
    await createCluster(account, "second");
    expect((await admin.visit(page)).html).not.toContain('value="make-default"');
    expect((await admin.visit("/clusters/second")).html).toContain('value="make-default"');
    expect((await admin.submit("/clusters/second", "make-default")).status).toBe(303);
    expect((await shown()).default).toBe(false);
  });

  test("is deleted when nothing needs it", async ({ admin }) => {
    const deleted = await admin.submit(page, "delete");
    expect([deleted.status, deleted.location]).toEqual([303, "/clusters"]);
    expect((await admin.visit(page)).status).toBe(404);
  });

  test("is kept while an environment needs it, and the refusal names the service", async ({
    account,
    admin,
    shown,
  }) => {
    const environments = `${await createService(account)}/environments`;
    await send(environments, { token: account.admin, json: { name: "prod", cluster: "main" } });
    const refused = await admin.submit(page, "delete");
    expect(refused.status).toBe(409);
    expect(refused.html).toContain("is needed by `hello`");
    expect((await shown()).name).toBe("main");
  });
});
