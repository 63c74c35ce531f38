import { env } from "cloudflare:workers";
import { describe, expect } from "vitest";
import { defaultQuotas } from "../../../../src/domain/limits.ts";
import { account as accountSchema, type Token, tokenList } from "../../../../src/protocol/v3/accounts.ts";
import { call, createAccount, createService, createToken } from "../../../support/worker/api.ts";
import { hiddenField, loggedIn } from "../../../support/worker/page-client.ts";
import { test as pageTest } from "../../../support/worker/page-test.ts";

const test = pageTest
  /** The service that the form of a token offers. */
  .extend("service", { scope: "file", auto: true }, ({ account }) => createService(account))
  .extend("tokens", { scope: "file" }, ({ account }) => async (): Promise<Token[]> => {
    const path = `/v3/accounts/${account.name}/tokens?limit=200`;
    return (await call(tokenList, path, { token: account.admin })).tokens;
  })
  /** The fields that a showing of the form that creates a token would send. */
  .extend("creation", { scope: "file" }, ({ admin }) => async (fields: Record<string, string> = {}) => {
    const { html } = await admin.visit("/settings");
    const blank = { role: "read", service: "", environments: "", expires: "" };
    return { ...blank, attempt: hiddenField(html, "attempt"), ...fields };
  });

const secretPattern = /acme-\d+_[0-9a-z]{12}\.[\w-]{43}/;

describe("the settings page", () => {
  test("says whose token this is and what it may do, to a token that may do hardly anything", async ({
    account,
  }) => {
    const narrow = await createToken(account, {
      role: "spawn",
      service: "hello",
      environments: ["default"],
      expires_in_seconds: 3600,
    });
    const { status, html } = await loggedIn(narrow.secret_token).visit("/settings");
    expect(status).toBe(200);
    expect(html).toContain("<dd>spawn</dd>");
    expect(html).toContain("service hello, environment default");
    expect(html).toContain(narrow.expires_at?.slice(0, 16).replace("T", " "));
    expect(html).toContain("You may not see or make tokens");
    expect(html).not.toContain("first admin");
    expect(html).not.toContain("create-token");
  });

  test("shows no token to one of the whole account that may not administer it, and says who may", async ({
    account,
  }) => {
    for (const role of ["read", "spawn", "deploy"] as const) {
      const { secret_token } = await createToken(account, { role });
      const { status, html } = await loggedIn(secret_token).visit("/settings");
      expect(status).toBe(200);
      expect(html).toContain(`a token with the role \`${role}\` may not do this; it needs \`admin\``);
      expect(html).not.toContain("first admin");
    }
  });

  test("shows what the account uses of its quotas, to whoever may read all of it", async () => {
    const account = await createAccount();
    await createService(account);
    const json = { quotas: { services: 1, untagged_bytes: 2_000_000_000 } };
    await call(accountSchema, `/v3/accounts/${account.name}`, {
      method: "PATCH",
      token: env.ROOT_TOKEN,
      json,
    });
    const { secret_token } = await createToken(account, { role: "read" });
    const { html } = await loggedIn(secret_token).visit("/settings");
    const rows = [...html.matchAll(/<tr><th scope="row"><code>(\w+)<\/code>.*?<\/tr>/g)];
    expect(rows.map(([, name]) => name)).toEqual(Object.keys(defaultQuotas));
    const text = (name: string) => rows.find((row) => row[1] === name)?.[0].replaceAll(/<[^>]+>/g, " ");
    expect(text("services")).toMatch(/1 +\(nothing can be added\) +1/);
    expect(text("environments")).toMatch(/1 +10000/);
    expect(text("untagged_bytes")).toMatch(/0 B +2\.0 GB/);
    const narrow = await createToken(account, { role: "admin", service: "hello" });
    expect((await loggedIn(narrow.secret_token).visit("/settings")).html).not.toContain("Quotas");
  });

  test("lists the tokens of an admin's own account only", async ({ account, admin, tokens }) => {
    const other = await createAccount();
    await createToken(other, { role: "read" });
    await createToken(account, { role: "deploy", service: "hello" });
    const { html } = await admin.visit("/settings");
    expect(html).toContain("first admin");
    expect(html).toContain("service hello");
    for (const { id } of await tokens()) expect(html).toContain(id);
    const foreign = await call(tokenList, `/v3/accounts/${other.name}/tokens`, { token: other.admin });
    for (const { id } of foreign.tokens) expect(html).not.toContain(id);
  });

  test("makes a token as the form says, and shows its secret on that answer and on no later page", async ({
    admin,
    tokens,
    creation,
  }) => {
    const fields = await creation({
      name: "ci <b>bold</b>",
      role: "deploy",
      service: "hello",
      environments: "default, staging",
      expires: "86400",
    });
    const created = await admin.submit("/settings", "create-token", fields);
    expect(created.status).toBe(200);
    expect(created.html).toContain("ci &lt;b&gt;bold&lt;/b&gt;");
    const secret = secretPattern.exec(created.html)?.[0] ?? "";
    expect(created.html).toContain(`jamsocket login --token ${secret}`);
    expect((await loggedIn(secret).visit("/settings")).html).toContain("environments default, staging");

    const [made] = await tokens();
    expect(made).toMatchObject({ role: "deploy", service: "hello", environments: ["default", "staging"] });
    expect(Date.parse(made?.expires_at ?? "") - Date.parse(made?.created_at ?? "")).toBe(86_400_000);
    const later = await admin.visit("/settings");
    expect(later.html).toContain("ci &lt;b&gt;bold&lt;/b&gt;");
    expect(later.html).not.toContain("<b>bold");
    expect(later.html).not.toMatch(secretPattern);
  });

  test("makes a token with the rights that are ticked, and shows them and its maker in the list and to its holder", async ({
    account,
    admin,
    tokens,
    creation,
  }) => {
    for (const [name, ticks, rights] of [
      ["unticked", {}, []],
      ["checker", { "right-check": "yes" }, ["check"]],
      ["both", { "right-check": "yes", "right-approve": "yes" }, ["approve", "check"]],
    ] as const) {
      const { status, html } = await admin.submit(
        "/settings",
        "create-token",
        await creation({ name, ...ticks }),
      );
      expect(status).toBe(200);
      if (rights.length > 0) expect(html).toContain(`and the rights ${rights.join(", ")}`);
      const [made] = await tokens();
      const by = { token_id: expect.stringMatching(/^\w{12}$/), token_name: "first admin" };
      expect(made).toMatchObject({ name, rights, made_by: by });
      expect(account.admin).toContain(`_${made?.made_by?.token_id}.`);
      const secret = secretPattern.exec(html)?.[0] ?? "";
      const own = await loggedIn(secret).visit("/settings");
      expect(own.html).toContain(
        `<dt>Rights</dt><dd>${rights.length === 0 ? "none" : rights.join(", ")}</dd>`,
      );
    }
    const { html } = await admin.visit("/settings");
    expect(html).toMatch(
      /<bdi>both<\/bdi><\/th><td>read<div>approve, check<\/div><\/td>.*?<div>by <bdi>first admin<\/bdi>/,
    );
    expect(html.match(/type="checkbox" name="right-(approve|check)"/g)).toHaveLength(2);
  });

  test("makes one token of a form that is sent twice, and another of one that was changed", async ({
    admin,
    tokens,
    creation,
  }) => {
    const before = (await tokens()).length;
    const fields = await creation({ name: "twice" });
    const [first, second] = [
      await admin.submit("/settings", "create-token", fields),
      await admin.submit("/settings", "create-token", fields),
    ];
    expect(secretPattern.exec(second.html)).toEqual(secretPattern.exec(first.html));
    expect(await tokens()).toHaveLength(before + 1);
    await admin.submit("/settings", "create-token", { ...fields, name: "another" });
    expect(await tokens()).toHaveLength(before + 2);
  });

  test("refuses a token of role read the making and revoking of tokens, with the reason, and changes nothing", async ({
    account,
    tokens,
    creation,
  }) => {
    const reader = await createToken(account, { role: "read" });
    const before = await tokens();
    const fields = await creation({ name: "mine", role: "admin" });
    for (const [button, sent] of [
      ["create-token", fields],
      ["revoke-token", { id: reader.id }],
    ] as const) {
      const refused = await loggedIn(reader.secret_token).submit("/settings", button, sent);
      expect(refused.status).toBe(403);
      expect(refused.html).toContain("a token with the role `read` may not do this; it needs `admin`");
    }
    expect(await tokens()).toEqual(before);
  });

  test("refuses an admin token that is narrowed to a service the making of a wider one", async ({
    account,
    tokens,
    creation,
  }) => {
    const narrow = await createToken(account, { role: "admin", service: "hello" });
    const before = await tokens();
    const refused = await loggedIn(narrow.secret_token).submit(
      "/settings",
      "create-token",
      await creation({ name: "wide", role: "admin" }),
    );
    expect(refused.status).toBe(403);
    expect(refused.html).toContain("may only act on service `hello`");
    expect(await tokens()).toEqual(before);
  });

  test.for([
    ["no name", { name: "" }, 400, "`name`"],
    ["a role that no person has", { name: "x", role: "agent" }, 400, "`role`"],
    ["environments without their service", { name: "x", environments: "prod" }, 400, "names their `service`"],
    ["a service that does not exist", { name: "x", service: "nothing" }, 404, "service `nothing` not found"],
    ["a right that is neither given nor not", { name: "x", "right-check": "no" }, 400, "`right-check`"],
    ["an expiry that is no number", { name: "x", expires: "soon" }, 400, "`expires`"],
    ["an attempt of its own making", { name: "x", attempt: "1" }, 400, "`attempt`"],
  ] as const)(
    "refuses a form with %s, says why, and makes no token",
    async ([_what, fields, status, reason], { admin, tokens, creation }) => {
      const before = await tokens();
      const refused = await admin.submit("/settings", "create-token", await creation(fields));
      expect(refused.status).toBe(status);
      expect(refused.html).toContain(reason);
      expect(await tokens()).toEqual(before);
    },
  );

  test("refuses a form that carries no CSRF token of this session, and makes no token", async ({
    admin,
    tokens,
    creation,
  }) => {
    const before = await tokens();
    for (const csrf of ["", "AAAA"]) {
      const fields = { ...(await creation({ name: "forged" })), do: "create-token", csrf };
      expect((await admin.post("/settings", fields)).status).toBe(403);
    }
    expect(await tokens()).toEqual(before);
  });

  test("revokes a token", async ({ account, admin, tokens }) => {
    const doomed = await createToken(account, { role: "read" });
    const revoked = await admin.submit("/settings", "revoke-token", { id: doomed.id });
    expect([revoked.status, revoked.location]).toEqual([303, "/settings"]);
    expect((await tokens()).map(({ id }) => id)).not.toContain(doomed.id);
    const again = await admin.submit("/settings", "revoke-token", { id: doomed.id });
    expect(again.status).toBe(404);
    expect(again.html).toContain("not found");
    const other = await createAccount();
    const foreign = await createToken(other, { role: "read" });
    expect((await admin.submit("/settings", "revoke-token", { id: foreign.id })).status).toBe(404);
    expect((await loggedIn(foreign.secret_token).visit("/settings")).status).toBe(200);
  });

  test("keeps the last lasting admin token, and says that another one is needed first", async ({
    admin,
    tokens,
  }) => {
    const lasting = (await tokens()).find(({ name }) => name === "first admin");
    const refused = await admin.submit("/settings", "revoke-token", { id: lasting?.id ?? "" });
    expect(refused.status).toBe(409);
    expect(refused.html).toContain("create another one first");
    expect(await tokens()).toContainEqual(lasting);
  });
});
