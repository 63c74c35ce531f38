import { abortAllDurableObjects, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, vi } from "vitest";
import { accountStub, clusterStub, directoryStub, serviceStub } from "../../../src/objects/stubs.ts";
import { hashSecret } from "../../../src/protocol/tokens/access-token.ts";
import type { CreateTokenBody } from "../../../src/protocol/v3/accounts.ts";
import { test } from "../support/object-test.ts";
import { caller, code, connectParams, digestNumber, type Hello, value } from "../support/service.ts";

async function addToken(hello: Hello, id: string, body: Partial<CreateTokenBody> = {}) {
  const secret = { id: id.padEnd(12, "0"), secretHash: await hashSecret(id) };
  return hello.accountObject.createToken({ name: id, role: "read", ...body }, secret, caller);
}

async function authenticate(hello: Hello, id: string, secret = id) {
  return hello.accountObject.authenticate(id.padEnd(12, "0"), await hashSecret(secret));
}

function tablesOf(stub: DurableObjectStub): Promise<unknown[]> {
  return runInDurableObject(stub, (_, { storage }) =>
    storage.sql.exec("SELECT name FROM sqlite_master").toArray(),
  );
}

describe("creating an account", () => {
  test("gives it a first admin token, and is refused a second time without changing anything", async () => {
    const account = accountStub(env, "fresh");
    const admin = { id: "firstadmin00", secretHash: await hashSecret("first") };
    expect(value(await account.create("fresh", admin)).token).toMatchObject({
      id: "firstadmin00",
      role: "admin",
    });
    const intruder = { id: "intruder0000", secretHash: await hashSecret("second") };
    expect(code(await account.create("fresh", intruder))).toBe("already_exists");
    expect(code(await account.authenticate("intruder0000", intruder.secretHash))).toBe("unauthorized");
    expect(value(await account.authenticate("firstadmin00", admin.secretHash))).toEqual({
      account: "fresh",
      tokenId: "firstadmin00",
      tokenName: "first admin",
      role: "admin",
    });
  });
});

describe("authenticating", () => {
  test("shows a token's whole scope, also after the object was restarted", async ({ hello }) => {
    const scope = { role: "spawn", service: "hello", environments: ["staging"] } as const;
    value(await addToken(hello, "narrow", { ...scope, environments: ["staging"], expires_in_seconds: 60 }));
    await abortAllDurableObjects();
    const account = accountStub(env, hello.account);
    expect(value(await account.authenticate("narrow000000", await hashSecret("narrow")))).toMatchObject({
      ...scope,
      account: hello.account,
      tokenName: "narrow",
      expiresAt: Date.now() + 60_000,
    });
  });

  test("refuses a wrong secret and an unknown token in the same words", async ({ hello }) => {
    value(await addToken(hello, "known"));
    const wrong = await authenticate(hello, "known", "other");
    expect(code(wrong)).toBe("unauthorized");
    expect(await authenticate(hello, "unknown")).toEqual(wrong);
  });

  test("refuses a token from the millisecond of its expiry on", async ({ hello }) => {
    value(await addToken(hello, "short", { expires_in_seconds: 60 }));
    vi.setSystemTime(Date.now() + 59_999);
    value(await authenticate(hello, "short"));
    vi.setSystemTime(Date.now() + 1);
    expect(code(await authenticate(hello, "short"))).toBe("unauthorized");
  });

  test("refuses a deleted token", async ({ hello }) => {
    value(await addToken(hello, "gone"));
    value(await hello.accountObject.deleteToken("gone00000000", caller));
    expect(code(await authenticate(hello, "gone"))).toBe("unauthorized");
    expect(code(await hello.accountObject.deleteToken("gone00000000", caller))).toBe("token_not_found");
  });
});

describe("an object that was never set up", () => {
  test("answers not found, and keeps nothing of the questions", async () => {
    const account = accountStub(env, "nobody");
    expect(code(await account.authenticate("admintoken00", await hashSecret("secret")))).toBe("unauthorized");
    expect(code(await account.listTokens({ limit: 50 }))).toBe("account_not_found");
    expect(code(await account.getCluster("main"))).toBe("account_not_found");
    expect(code(await account.testCluster("main"))).toBe("account_not_found");
    expect(code(await account.createService({ name: "hello" }, caller))).toBe("account_not_found");
    expect(code(await account.deleteService("hello", caller))).toBe("account_not_found");
    expect(code(await account.config())).toBe("account_not_found");
    const made = { userAgent: "", secret: { id: "session00000", secretHash: "" } };
    const params = { ...made, tokenId: "admintoken00", kind: "browser" as const };
    expect(code(await account.createSession(params))).toBe("account_not_found");
    expect(code(await account.listSessions({ limit: 50 }))).toBe("account_not_found");
    expect(code(await account.deleteSession("session00000", caller))).toBe("session_not_found");
    const link = { tokenId: "admintoken00", expiresInSeconds: 60, secret: made.secret };
    expect(code(await account.createLoginLink(link))).toBe("account_not_found");
    expect(code(await account.useLoginLink(made.secret, made))).toBe("login_link_not_found");
    expect(await tablesOf(account)).toEqual([]);

    const service = serviceStub(env, "nobody", "nothing");
    const pinned = await service.pin("default", { image: "latest" }, caller);
    const image = { digest: digestNumber(1), tag: "latest" };
    expect(code(pinned)).toBe("service_not_found");
    expect(code(await service.recordImage(image, caller))).toBe("service_not_found");
    expect(code(await service.connectBackend(connectParams(), caller))).toBe("service_not_found");
    expect(code(await service.learn("0000000000000", true))).toBe("backend_not_found");
    const end = { status: "terminated", time: Date.now() } as const;
    value(await service.statusReached("0000000000000", 1, [end], null));
    value(await service.clusterLost("main", 0, "lease"));
    expect(await tablesOf(service)).toEqual([]);

    const directory = directoryStub(env, "zzzzz");
    expect(await directory.lookup("zzzzz")).toBeNull();
    const heartbeat = { cluster: "other", agent_id: "a", version: "1", backends: [] };
    const cluster = clusterStub(env, "nobody", "main");
    expect(code(await cluster.heartbeat("nobody", "main", 2, heartbeat))).toBe("forbidden");
    expect(await tablesOf(cluster)).toEqual([]);
  });
});

describe("the tokens of an account", () => {
  test("are listed newest first, page by page, without their secrets", async ({ hello }) => {
    for (const id of ["a", "b", "c"]) value(await addToken(hello, id));
    const first = value(await hello.accountObject.listTokens({ limit: 3 }));
    const rest = value(await hello.accountObject.listTokens({ limit: 3, cursor: first.next ?? "none" }));
    expect([first, rest].map(({ items }) => items.map(({ name }) => name))).toEqual([
      ["c", "b", "a"],
      ["agent of main", "first admin"],
    ]);
    expect(rest.next).toBeNull();
    expect(JSON.stringify([first, rest])).not.toContain(await hashSecret("a"));
    expect(code(await hello.accountObject.listTokens({ limit: 3, cursor: "-1" }))).toBe("bad_request");
  });

  test("cannot be narrowed to a service that does not exist", async ({ hello }) => {
    expect(code(await addToken(hello, "a", { service: "helo" }))).toBe("service_not_found");
  });

  test("always hold one that can administer the account for good", async ({ hello }) => {
    const first = "admintoken00";
    value(await addToken(hello, "expiring", { role: "admin", expires_in_seconds: 3600 }));
    value(await addToken(hello, "narrow", { role: "admin", service: "hello" }));
    expect(code(await hello.accountObject.deleteToken(first, caller))).toBe("last_admin_token");
    value(await addToken(hello, "second", { role: "admin" }));
    value(await hello.accountObject.deleteToken(first, caller));
    expect(code(await hello.accountObject.deleteToken("second000000", caller))).toBe("last_admin_token");
    value(await authenticate(hello, "second"));
  });
});

describe("creating a service", () => {
  test("makes one of a name, however many request it at once", async ({ hello }) => {
    const results = await Promise.all(
      Array.from({ length: 5 }, () => hello.accountObject.createService({ name: "new" }, caller)),
    );
    expect(results.filter(({ ok }) => ok)).toHaveLength(1);
    expect(results.flatMap((result) => (result.ok ? [] : [result.error.code]))).toEqual(
      Array.from({ length: 4 }, () => "already_exists"),
    );
    expect(value(await hello.accountObject.serviceNames())).toEqual(["hello", "new"]);
  });

  test("that was cut short after the service was set up is finished by doing it again", async ({
    pinned: hello,
  }) => {
    const before = value(await hello.connect());
    await runInDurableObject(hello.accountObject, (_, { storage }) => {
      storage.sql.exec("UPDATE services SET state = 'creating' WHERE name = 'hello'");
    });
    expect(value(await hello.accountObject.serviceNames())).toEqual([]);
    value(await hello.accountObject.createService({ name: "hello" }, caller));
    expect(value(await hello.accountObject.serviceNames())).toEqual(["hello"]);
    const after = value(await hello.connect());
    expect(after.backendId.slice(0, 5)).toBe(before.backendId.slice(0, 5));
  });

  test("that was cut short before the directory knew the code is finished by doing it again", async ({
    hello,
  }) => {
    await runInDurableObject(hello.accountObject, (_, { storage }) => {
      storage.sql.exec(
        "INSERT INTO services (name, code, state, created_at) VALUES ('half', 'zzzzy', 'creating', 0)",
      );
    });
    value(await hello.accountObject.createService({ name: "half" }, caller));
    expect(await directoryStub(env, "zzzzy").lookup("zzzzy")).toEqual({
      account: hello.account,
      service: "half",
      location: "auto",
    });
  });

  test("takes another code where the directory has given that one away", async ({ hello }) => {
    expect(
      await directoryStub(env, "zzzzx").claim("zzzzx", {
        account: "somebody",
        service: "else",
        location: "auto",
      }),
    ).toBe(true);
    await runInDurableObject(hello.accountObject, (_, { storage }) => {
      storage.sql.exec(
        "INSERT INTO services (name, code, state, created_at) VALUES ('late', 'zzzzx', 'creating', 0)",
      );
    });
    value(await hello.accountObject.createService({ name: "late" }, caller));
    expect(await directoryStub(env, "zzzzx").lookup("zzzzx")).toEqual({
      account: "somebody",
      service: "else",
      location: "auto",
    });
    const late = serviceStub(env, hello.account, "late");
    value(await late.recordImage({ digest: digestNumber(1), tag: "latest" }, caller));
    const { backendId } = value(await late.connectBackend(connectParams(), caller));
    expect(backendId.slice(0, 5)).not.toBe("zzzzx");
  });
});

describe("deleting a service", () => {
  test("takes it out of the list and lets its name be used again", async ({ hello }) => {
    value(await hello.accountObject.createService({ name: "other" }, caller));
    value(await hello.accountObject.deleteService("hello", caller));
    expect(value(await hello.accountObject.serviceNames())).toEqual(["other"]);
    expect(code(await hello.accountObject.deleteService("hello", caller))).toBe("service_not_found");
    value(await hello.accountObject.createService({ name: "hello" }, caller));
    const { items } = value(await hello.accountObject.listServices({ limit: 50 }));
    expect(items.map(({ name }) => name)).toEqual(["hello", "other"]);
  });

  test("that was cut short after the service was gone is finished by doing it again", async ({ hello }) => {
    value(await hello.service().remove());
    expect(value(await hello.accountObject.serviceNames())).toEqual(["hello"]);
    value(await hello.accountObject.deleteService("hello", caller));
    expect(value(await hello.accountObject.serviceNames())).toEqual([]);
    value(await hello.accountObject.createService({ name: "hello" }, caller));
  });
});
