import { describe, expect } from "vitest";
import { heartbeatAnswer } from "../../../../src/protocol/v3/agent.ts";
import { clusterList } from "../../../../src/protocol/v3/clusters.ts";
import {
  call,
  createAccount,
  createCluster,
  createService,
  createToken,
} from "../../../support/worker/api.ts";
import { hiddenField, loggedIn } from "../../../support/worker/page-client.ts";
import { isolatedTest } from "../../../support/worker/page-test.ts";

const test = isolatedTest
  .extend("clusters", ({ account }) => async () => {
    const path = `/v3/accounts/${account.name}/clusters`;
    return (await call(clusterList, path, { token: account.admin })).clusters;
  })
  /** The fields that a showing of the form that registers a cluster would send. */
  .extend("registration", ({ admin }) => async (fields: Record<string, string> = {}) => {
    const { html } = await admin.visit("/clusters");
    return {
      name: "eu",
      webhook_url: "https://cluster.test/webhook",
      backend_url_template: "",
      attempt: hiddenField(html, "attempt"),
      ...fields,
    };
  });

function heartbeat(token: string, cluster: string, more: object = {}) {
  const json = { cluster, agent_id: "a", version: "1.2.0", backends: [], ...more };
  return call(heartbeatAnswer, "/v3/agent/heartbeat", { token, json });
}

describe("the page of clusters", () => {
  test("says how to register one and to start its agent where there is none", async ({ admin }) => {
    const { status, html } = await admin.visit("/clusters");
    expect(status).toBe(200);
    expect(html).toContain("npx slipway clusters create");
    expect(html).toContain("npx slipway --api-url http://api.test agent --cluster");
  });

  test("shows every cluster with its health, its agents and a link, and which is the default", async ({
    account,
    admin,
  }) => {
    const { agent_token } = await createCluster(account, "main");
    await createCluster(account, "silent-one");
    await heartbeat(agent_token, "main");
    const { html } = await admin.visit("/clusters");
    const rows = html.split("<tr").filter((row) => row.includes('scope="row"'));
    expect(rows).toHaveLength(2);
    expect(rows[0]).toContain('href="/clusters/silent-one"');
    expect(rows[0]).toMatch(/no agent.*never.*not known/s);
    expect(rows[1]).toContain('href="/clusters/main"');
    expect(rows[1]).toMatch(/default.*healthy.*<td>1<\/td>.*<time.*<td>0<\/td>/s);
  });

  test("shows the fullest of each cluster's disks", async ({ account, admin }) => {
    const { agent_token } = await createCluster(account, "main");
    for (const [agent_id, free_bytes] of Object.entries({ a: 60e9, b: 3e9, c: 70e9 })) {
      await heartbeat(agent_token, "main", { agent_id, disk: { free_bytes, total_bytes: 100e9 } });
    }
    expect((await admin.visit("/clusters")).html).toMatch(/<td>3\.0 GB of 100 GB free.*full<\/span>/s);
  });

  test("shows no cluster of another account", async ({ admin }) => {
    const other = await createAccount();
    await createCluster(other, "foreign");
    expect((await admin.visit("/clusters")).html).not.toContain("foreign");
  });

  test("is refused to a token that is narrowed to a service, as the API refuses it", async ({ account }) => {
    await createCluster(account, "main");
    await createService(account);
    const { secret_token } = await createToken(account, { role: "admin", service: "hello" });
    const { status, html } = await loggedIn(secret_token).visit("/clusters");
    expect(status).toBe(403);
    expect(html).toContain("may only act on service");
    expect(html).not.toContain("/clusters/main");
  });

  test("answers a cursor that no list gave with 400", async ({ admin }) => {
    expect((await admin.visit(`/clusters?cursor=${"x".repeat(300)}`)).status).toBe(400);
  });
});

describe("the form that registers a cluster", () => {
  const secrets = /acme-\d+_[0-9a-z]{12}\.[\w-]{43}|whsec_[\w+/=]+/g;
  const shownSecrets = (html: string) => [...new Set(html.match(secrets) ?? [])];

  test("registers it as it says, and shows its secrets on that answer and on no later page", async ({
    admin,
    clusters,
    registration,
  }) => {
    const template = "https://{backend_id}.cluster.test";
    const created = await admin.submit(
      "/clusters",
      "register",
      await registration({ backend_url_template: template }),
    );
    expect(created.status).toBe(200);
    expect(shownSecrets(created.html)).toHaveLength(2);
    expect(created.html).toContain("npx slipway --api-url http://api.test agent --cluster eu ");
    expect(await clusters()).toMatchObject([
      { name: "eu", webhook_url: "https://cluster.test/webhook", backend_url_template: template },
    ]);
    for (const path of ["/clusters", "/clusters/eu", "/events"]) {
      const { status, html } = await admin.visit(path);
      expect([status, shownSecrets(html)]).toEqual([200, []]);
    }
  });

  test("shows an agent's token with which heartbeats are sent", async ({ admin, clusters, registration }) => {
    const { html } = await admin.submit("/clusters", "register", await registration());
    const token = shownSecrets(html).find((secret) => secret.startsWith("acme")) ?? "";
    await heartbeat(token, "eu");
    expect((await clusters())[0]?.health).toBe("healthy");
    expect((await clusters())[0]?.backend_url_template).toBeNull();
  });

  test("that is sent twice registers one cluster and shows the same secrets", async ({
    admin,
    clusters,
    registration,
  }) => {
    const fields = await registration();
    const first = await admin.submit("/clusters", "register", fields);
    const second = await admin.submit("/clusters", "register", fields);
    expect(shownSecrets(second.html)).toEqual(shownSecrets(first.html));
    const another = await admin.submit("/clusters", "register", await registration());
    expect([another.status, shownSecrets(another.html)]).toEqual([409, []]);
    expect(another.html).toContain("exists already");
    expect(await clusters()).toHaveLength(1);
  });

  test.for([
    ["a name that is none", { name: "No!" }, "`name`"],
    ["an address that is not public", { webhook_url: "https://10.0.0.1/hook" }, "webhook_url"],
    ["a template without the backend's id", { backend_url_template: "https://x.test" }, "{backend_id}"],
    ["an attempt of its own making", { attempt: "1" }, "`attempt`"],
  ] as const)(
    "with %s is refused with the reason, and registers nothing",
    async ([_what, fields, reason], { admin, clusters, registration }) => {
      const refused = await admin.submit("/clusters", "register", await registration(fields));
      expect(refused.status).toBe(400);
      expect(refused.html).toContain(reason);
      expect(await clusters()).toEqual([]);
    },
  );

  test("escapes what it was given where it repeats it", async ({ admin, registration }) => {
    const fields = await registration({ name: "<img src=x>" });
    const refused = await admin.submit("/clusters", "register", fields);
    expect(refused.html).not.toContain("<img src=x>");
  });

  test("is not shown to a token that may not use it, and refused with the reason", async ({
    account,
    clusters,
    registration,
  }) => {
    const { secret_token } = await createToken(account, { role: "deploy" });
    const deployer = loggedIn(secret_token);
    const { html } = await deployer.visit("/clusters");
    expect(html).not.toContain('value="register"');
    const reason = "a token with the role `deploy` may not do this; it needs `admin`";
    expect(html).toContain(reason);
    const refused = await deployer.submit("/clusters", "register", await registration());
    expect(refused.status).toBe(403);
    expect(refused.html).toContain(reason);
    expect(await clusters()).toEqual([]);
  });

  test("is refused without a CSRF token of this session", async ({ admin, clusters, registration }) => {
    const fields = { ...(await registration()), do: "register", csrf: "AAAA" };
    expect((await admin.post("/clusters", fields)).status).toBe(403);
    expect(await clusters()).toEqual([]);
  });
});
