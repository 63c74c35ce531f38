import { abortAllDurableObjects, runInDurableObject } from "cloudflare:test";
import { describe, expect, vi } from "vitest";
import { tokenMakersMax } from "../../../src/domain/limits.ts";
import { actorOf } from "../../../src/edge/admission/identify.ts";
import type { Actor, Identity } from "../../../src/objects/contract.ts";
import { hashSecret } from "../../../src/protocol/tokens/access-token.ts";
import type { CreateTokenBody } from "../../../src/protocol/v3/accounts.ts";
import { formatSigningSecret } from "../../../src/protocol/webhooks/signature.ts";
import { test } from "../support/object-test.ts";
import { caller, code, type Hello, value } from "../support/service.ts";

async function secretOf(name: string) {
  return { id: name.padEnd(12, "0"), secretHash: await hashSecret(name) };
}

async function make(hello: Hello, name: string, actor: Actor, body: Partial<CreateTokenBody> = {}) {
  const made = { name, role: "admin" as const, ...body };
  return hello.accountObject.createToken(made, await secretOf(name), { ...caller, actor });
}

async function identify(hello: Hello, name: string): Promise<Identity> {
  return value(await hello.accountObject.authenticate(name.padEnd(12, "0"), await hashSecret(name)));
}

/** Makes a token with another one. @returns who acts with it */
async function next(hello: Hello, name: string, maker: Actor): Promise<Actor> {
  value(await make(hello, name, maker));
  return actorOf(await identify(hello, name));
}

async function firstAdmin(hello: Hello): Promise<Actor> {
  return actorOf(value(await hello.accountObject.authenticate("admintoken00", await hashSecret("secret"))));
}

async function listed(hello: Hello, name: string) {
  const { items } = value(await hello.accountObject.listTokens({ limit: 200 }));
  return items.find((token) => token.name === name);
}

const newSecret = formatSigningSecret(new Uint8Array(32).fill(7));

describe("a token", () => {
  test("has the rights that it was made with, in one order, and none by its role", async ({ hello }) => {
    const admin = await firstAdmin(hello);
    const made = value(await make(hello, "both", admin, { rights: ["check", "approve"] }));
    expect(made.rights).toEqual(["approve", "check"]);
    expect(value(await make(hello, "none", admin)).rights).toEqual([]);
    expect(value(await make(hello, "empty", admin, { rights: [] })).rights).toEqual([]);
    await abortAllDurableObjects();
    expect((await listed(hello, "both"))?.rights).toEqual(["approve", "check"]);
    expect((await listed(hello, "first admin"))?.rights).toEqual([]);
    expect((await identify(hello, "both")).rights).toEqual(["approve", "check"]);
    for (const name of ["none", "empty"]) expect(await identify(hello, name)).not.toHaveProperty("rights");
  });

  test("says who made it, and those who made that one are known of whoever acts with it", async ({
    hello,
  }) => {
    const admin = await firstAdmin(hello);
    expect(admin).toEqual({ tokenId: "admintoken00", tokenName: "first admin", role: "admin" });
    const ada = await next(hello, "ada", admin);
    const bot = await next(hello, "bot", ada);
    expect(bot).toEqual({
      tokenId: "bot000000000",
      tokenName: "bot",
      role: "admin",
      makers: ["ada000000000", "admintoken00"],
    });
    expect((await listed(hello, "bot"))?.made_by).toEqual({ token_id: "ada000000000", token_name: "ada" });
    expect((await listed(hello, "first admin"))?.made_by).toBeNull();
  });

  test("is of its makers also when they are revoked", async ({ hello }) => {
    const ada = await next(hello, "ada", await firstAdmin(hello));
    const bot = await next(hello, "bot", ada);
    value(await hello.accountObject.deleteToken(ada.tokenId, caller));
    await abortAllDurableObjects();
    expect(actorOf(await identify(hello, "bot"))).toEqual(bot);
    expect(bot.makers).toContain(ada.tokenId);
    expect((await listed(hello, "bot"))?.made_by).toEqual({ token_id: ada.tokenId, token_name: "ada" });
  });

  test("lends its rights and makers to the sessions that are made from it", async ({ hello }) => {
    const ada = await next(hello, "ada", await firstAdmin(hello));
    value(await make(hello, "bot", ada, { rights: ["approve"] }));
    const secret = await secretOf("session");
    const session = { tokenId: "bot000000000", kind: "browser" as const, userAgent: "", secret };
    value(await hello.accountObject.createSession(session));
    const acting = await identify(hello, "session");
    expect(acting).toMatchObject({ session: { kind: "browser" }, rights: ["approve"] });
    expect(actorOf(acting)).toEqual(actorOf(await identify(hello, "bot")));
    expect(value(await hello.accountObject.identityOf(secret.id))).toEqual(acting);
  });

  test("that a cluster's agent has is of whoever registered the cluster", async ({ hello }) => {
    const ada = await next(hello, "ada", await firstAdmin(hello));
    const body = { name: "second", webhook_url: "https://second.test/" };
    const by = { ...caller, actor: ada };
    value(await hello.accountObject.createCluster(body, await secretOf("agent2"), newSecret, by));
    expect(await listed(hello, "agent of second")).toMatchObject({
      rights: [],
      made_by: { token_id: ada.tokenId, token_name: "ada" },
    });
    expect((await identify(hello, "agent2")).makers).toEqual([ada.tokenId, "admintoken00"]);
  });
});

describe("a line of tokens that made one another", () => {
  test("ends where no more could be recorded: the last one makes neither a token nor a cluster", async ({
    hello,
  }) => {
    let last = await firstAdmin(hello);
    for (let i = 1; i <= tokenMakersMax; i++) last = await next(hello, `t${i}x`, last);
    expect(last.makers).toHaveLength(tokenMakersMax);
    expect(last.makers?.at(-1)).toBe("admintoken00");
    const before = value(await hello.accountObject.listTokens({ limit: 200 }));
    const events = value(await hello.accountObject.listEvents({ limit: 200 }));
    expect(code(await make(hello, "more", last))).toBe("forbidden");
    const body = { name: "second", webhook_url: "https://second.test/" };
    const by = { ...caller, actor: last };
    const refused = await hello.accountObject.createCluster(body, await secretOf("agent2"), newSecret, by);
    expect(code(refused)).toBe("forbidden");
    expect(code(await hello.accountObject.getCluster("second"))).toBe("cluster_not_found");
    expect(value(await hello.accountObject.listTokens({ limit: 200 }))).toEqual(before);
    expect(value(await hello.accountObject.listEvents({ limit: 200 }))).toEqual(events);
    value(await make(hello, "other", await firstAdmin(hello)));
  });
});

describe("a token from before rights and makers were recorded", () => {
  test("has no rights, is made by nobody that is known, and is the maker of what it makes", async ({
    hello,
  }) => {
    value(await make(hello, "old", caller.actor, { rights: ["approve"] }));
    await runInDurableObject(hello.accountObject, (_, { storage }) => {
      storage.sql.exec("UPDATE tokens SET rights = NULL, makers = NULL, maker_name = NULL");
    });
    expect(await listed(hello, "old")).toMatchObject({ rights: [], made_by: null });
    const old = actorOf(await identify(hello, "old"));
    expect(old).toEqual({ tokenId: "old000000000", tokenName: "old", role: "admin" });
    expect((await next(hello, "new", old)).makers).toEqual(["old000000000"]);
  });
});

describe("the event of a new token", () => {
  test("says which rights it has, where it has any", async ({ hello }) => {
    const admin = await firstAdmin(hello);
    for (const rights of [[], ["check"], ["approve", "check"]] as const) {
      vi.setSystemTime(Date.now() + 1_000);
      value(await make(hello, `with-${rights.length}`, admin, { role: "read", rights: [...rights] }));
    }
    const { items } = value(await hello.accountObject.listEvents({ limit: 3, type: "token.created" }));
    expect(items.map(({ message, details }) => [message, details?.rights])).toEqual([
      ["created token `with-2` with the role `read` and the rights `approve`, `check`", ["approve", "check"]],
      ["created token `with-1` with the role `read` and the right `check`", ["check"]],
      ["created token `with-0` with the role `read`", undefined],
    ]);
    expect(items.map(({ details }) => "rights" in (details ?? {}))).toEqual([true, true, false]);
  });
});
