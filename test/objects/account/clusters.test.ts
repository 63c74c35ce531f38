import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect } from "vitest";
import { serviceStub } from "../../../src/objects/stubs.ts";
import { hashSecret } from "../../../src/protocol/tokens/access-token.ts";
import { register } from "../support/agent.ts";
import { test } from "../support/object-test.ts";
import { caller, code, type Hello, setUp, value } from "../support/service.ts";

async function defaultCluster(hello: Hello): Promise<string | undefined> {
  const { items } = value(await hello.accountObject.listClusters({ limit: 50 }));
  return items.find((item) => item.default)?.name;
}

describe("registering a cluster", () => {
  test("makes the first one the account's default, and leaves it so", async ({ hello }) => {
    expect(await defaultCluster(hello)).toBe("main");
    expect(value(await register(hello, "second"))).toMatchObject({ name: "second", default: false });
    expect(value(await hello.accountObject.getCluster("main")).default).toBe(true);
    value(await hello.accountObject.patchCluster("second", { default: true }, caller));
    expect(await defaultCluster(hello)).toBe("second");
  });

  test("is refused under a name that is taken, and never shows a secret", async ({ hello }) => {
    expect(code(await register(hello, "main"))).toBe("already_exists");
    const shown = JSON.stringify(await hello.accountObject.listClusters({ limit: 50 }));
    expect(shown).not.toContain(hello.signingSecret);
    expect(code(await hello.accountObject.getCluster("mian"))).toBe("cluster_not_found");
  });

  test.for([
    "http://cluster.test/hook",
    "https://127.0.0.1/hook",
    "https://localhost/hook",
    "https://169.254.169.254/latest/meta-data",
    "https://[::1]/hook",
    "https://[::ffff:10.0.0.1]/hook",
    "https://0x7f.1/hook",
    "https://metadata.google.internal/",
    "https://user:password@cluster.test/hook",
    "ftp://cluster.test/hook",
    "not a url",
  ])("and changing one is refused for the webhook %s, and changes nothing", async (url, { hello }) => {
    expect(code(await register(hello, "second", url))).toBe("bad_request");
    expect(code(await hello.accountObject.getCluster("second"))).toBe("cluster_not_found");
    expect(code(await hello.accountObject.patchCluster("main", { webhook_url: url }, caller))).toBe(
      "bad_request",
    );
    expect(value(await hello.accountObject.getCluster("main")).webhook_url).toBe("https://cluster.test/hook");
  });
});

describe("what an account knows of its clusters", () => {
  test("reaches services that were there before and those created after", async ({ hello }) => {
    value(await register(hello, "second"));
    value(await hello.accountObject.createService({ name: "later" }, caller));
    for (const name of ["hello", "later"]) {
      const service = serviceStub(env, hello.account, name);
      const body = { name: "prod", image: "latest", cluster: "second" };
      expect(value(await service.createEnvironment(body, caller)).cluster).toBe("second");
    }
  });

  test("is used by the very next spawn after a change of it was acknowledged", async ({ pinned: hello }) => {
    const template = "https://{backend_id}.moved.test";
    value(await hello.accountObject.patchCluster("main", { backend_url_template: template }, caller));
    const { backendId, baseUrl } = value(await hello.connect());
    expect(baseUrl).toBe(`https://${backendId}.moved.test`);
    value(await register(hello, "second"));
    value(await hello.accountObject.patchCluster("second", { default: true }, caller));
    expect(value(await hello.connect()).cluster).toBe("second");
  });

  test("lets an async cluster be without a template neither at first nor later", async () => {
    const hello = await setUp({ ack: "async" });
    const refused = await hello.accountObject.patchCluster("main", { backend_url_template: null }, caller);
    expect(code(refused)).toBe("bad_request");
    expect(value(await hello.accountObject.getCluster("main")).backend_url_template).not.toBeNull();
  });

  test("reaches a service whose creation was cut short before the change and finished after it", async ({
    hello,
  }) => {
    value(await register(hello, "second"));
    await cutShort(hello);
    value(await hello.accountObject.patchCluster("second", { default: true }, caller));
    value(await hello.accountObject.createService({ name: "hello" }, caller));
    await hello.push(1, "latest");
    expect(value(await hello.connect()).cluster).toBe("second");
  });
});

describe("deleting a cluster", () => {
  test("is refused with the services that need it while an environment names it, which goes on working", async ({
    pinned: hello,
  }) => {
    value(await register(hello, "second"));
    const body = { name: "prod", image: "latest", cluster: "second" };
    value(await hello.service().createEnvironment(body, caller));
    const refused = await hello.accountObject.deleteCluster("second", caller);
    expect(refused.ok ? null : refused.error).toMatchObject({
      code: "cluster_in_use",
      details: { services: ["hello"] },
    });
    expect(value(await hello.accountObject.getCluster("second")).name).toBe("second");
    expect(value(await hello.connect({ environment: "prod" })).cluster).toBe("second");
  });

  test("is refused while a live backend runs there, and not after its end", async ({
    keyedBackend: { hello, backendId, reported },
  }) => {
    expect(code(await hello.accountObject.deleteCluster("main", caller))).toBe("cluster_in_use");
    expect(await defaultCluster(hello)).toBe("main");
    value(await hello.report(backendId, reported.fencing_token, "terminated"));
    value(await hello.accountObject.deleteCluster("main", caller));
    expect(code(await hello.accountObject.getCluster("main"))).toBe("cluster_not_found");
  });

  test("leaves environments without a cluster where it was the default: spawns are cluster_required", async ({
    pinned: hello,
  }) => {
    value(await hello.accountObject.deleteCluster("main", caller));
    expect(code(await hello.connect())).toBe("cluster_required");
    expect(value(await hello.service().getEnvironment("default")).cluster).toBeNull();
    value(await register(hello, "second"));
    expect(value(await hello.connect()).cluster).toBe("second");
  });

  test("takes the agent's token with it", async ({ hello }) => {
    const secretHash = await hashSecret("agent");
    expect(value(await hello.accountObject.authenticate("agenttoken00", secretHash))).toMatchObject({
      role: "agent",
      cluster: "main",
    });
    expect(code(await hello.accountObject.deleteToken("agenttoken00", caller))).toBe("bad_request");
    value(await hello.accountObject.deleteCluster("main", caller));
    expect(code(await hello.accountObject.authenticate("agenttoken00", secretHash))).toBe("unauthorized");
  });
});

describe("testing a cluster", () => {
  test.for<[what: string, answer: () => Response | Promise<Response>, result: object]>([
    ["an answer of 200", () => Response.json({}), { delivered: true, status: 200 }],
    ["a 500", () => new Response(null, { status: 500 }), { delivered: false, status: 500 }],
    [
      "a redirect, which is not followed",
      () => Response.redirect("https://elsewhere.test/", 307),
      { delivered: false, status: 307, error: expect.stringContaining("redirect") },
    ],
    [
      "a connection that fails",
      () => Promise.reject(new TypeError("no route")),
      { delivered: false, error: expect.stringContaining("no route") },
    ],
  ])("sends one signed cluster.ping and reports %s", async ([_, answer, result], { hello, cluster }) => {
    cluster.script(answer);
    expect(value(await hello.accountObject.testCluster("main"))).toMatchObject(result);
    const pings = cluster.of("cluster.ping");
    expect(pings.map(({ message }) => message.data)).toEqual([{ cluster: "main" }]);
    expect(pings[0]?.headers["webhook-signature"]).toMatch(/^v1,/);
  });

  test("of a cluster that does not exist is refused", async ({ hello }) => {
    expect(code(await hello.accountObject.testCluster("mian"))).toBe("cluster_not_found");
  });
});

/** The account as a crash leaves it behind that comes between the service's first transaction and the account's last. */
async function cutShort(hello: Hello): Promise<void> {
  await runInDurableObject(hello.accountObject, (_, { storage }) => {
    storage.sql.exec("UPDATE services SET state = 'creating', config_version = 0 WHERE name = 'hello'");
  });
}
