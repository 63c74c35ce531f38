import { abortAllDurableObjects, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, vi } from "vitest";
import type { SessionKind } from "../../../src/domain/credentials/sessions.ts";
import { expiredForgottenEveryMs, sessionsPerTokenMax } from "../../../src/domain/limits.ts";
import { accountStub } from "../../../src/objects/stubs.ts";
import { hashSecret } from "../../../src/protocol/tokens/access-token.ts";
import type { CreateTokenBody } from "../../../src/protocol/v3/accounts.ts";
import { passTimeRunning } from "../../support/worker/clock.ts";
import { test } from "../support/object-test.ts";
import { caller, code, type Hello, value } from "../support/service.ts";

const day = 24 * 3600 * 1000;
const admin = "admintoken00";

async function secretOf(name: string) {
  return { id: name.padEnd(12, "0"), secretHash: await hashSecret(name) };
}

async function addToken(hello: Hello, name: string, body: Partial<CreateTokenBody> = {}) {
  const secret = await secretOf(name);
  return value(await hello.accountObject.createToken({ name, role: "read", ...body }, secret, caller)).id;
}

async function logIn(hello: Hello, name: string, tokenId = admin, kind: SessionKind = "browser") {
  const secret = await secretOf(name);
  return hello.accountObject.createSession({ tokenId, kind, userAgent: "a browser", secret });
}

async function authenticate(hello: Hello, name: string, secret = name) {
  return hello.accountObject.authenticate(name.padEnd(12, "0"), await hashSecret(secret));
}

async function liveIds(hello: Hello) {
  const { items } = value(await hello.accountObject.listSessions({ limit: 200 }));
  return items.map(({ id }) => id);
}

function countOf(hello: Hello, table: "sessions" | "login_links") {
  return runInDurableObject(hello.accountObject, (_, { storage }) =>
    storage.sql.exec<{ n: number }>(`SELECT count(*) AS n FROM ${table}`).one(),
  );
}

describe("a session", () => {
  test("acts as the holder of its access token, also after the object was restarted", async ({ hello }) => {
    const scope = { role: "spawn", service: "hello", environments: ["staging"] } as const;
    const tokenId = await addToken(hello, "narrow", { ...scope, environments: ["staging"] });
    const made = value(await logIn(hello, "session", tokenId));
    expect(made).toEqual({
      id: "session00000",
      kind: "browser",
      token_id: tokenId,
      user_agent: "a browser",
      created_at: new Date().toISOString(),
      expires_at: new Date(Date.now() + 7 * day).toISOString(),
    });
    await abortAllDurableObjects();
    const account = accountStub(env, hello.account);
    expect(value(await account.authenticate("session00000", await hashSecret("session")))).toEqual({
      ...scope,
      account: hello.account,
      tokenId,
      tokenName: "narrow",
      makers: [caller.actor.tokenId],
      session: { id: "session00000", kind: "browser" },
      expiresAt: Date.now() + 7 * day,
    });
  });

  test("is not opened by another secret, nor by that of its token", async ({ hello }) => {
    await addToken(hello, "token");
    value(await logIn(hello, "session", "token0000000"));
    expect(code(await authenticate(hello, "session", "other"))).toBe("unauthorized");
    expect(code(await authenticate(hello, "session", "token"))).toBe("unauthorized");
    expect(code(await authenticate(hello, "token", "session"))).toBe("unauthorized");
  });

  test.for([
    ["browser", 7],
    ["cli", 90],
  ] as const)("of the kind %s ends after %i days", async ([kind, days], { hello }) => {
    value(await logIn(hello, "session", admin, kind));
    vi.setSystemTime(Date.now() + days * day - 1);
    value(await authenticate(hello, "session"));
    vi.setSystemTime(Date.now() + 1);
    expect(code(await authenticate(hello, "session"))).toBe("unauthorized");
    expect(await liveIds(hello)).toEqual([]);
    expect(code(await hello.accountObject.deleteSession("session00000", caller))).toBe("session_not_found");
  });

  test("ends with its access token, where that ends earlier", async ({ hello }) => {
    const tokenId = await addToken(hello, "short", { expires_in_seconds: 60 });
    const { expires_at } = value(await logIn(hello, "session", tokenId));
    expect(Date.parse(expires_at)).toBe(Date.now() + 60_000);
    vi.setSystemTime(Date.now() + 60_000);
    expect(code(await authenticate(hello, "session"))).toBe("unauthorized");
    expect(code(await logIn(hello, "another", tokenId))).toBe("token_not_found");
  });

  test("ends when its access token is revoked, and other tokens' sessions do not", async ({ hello }) => {
    const tokenId = await addToken(hello, "revoked");
    value(await logIn(hello, "first", tokenId));
    value(await logIn(hello, "second", tokenId, "cli"));
    value(await logIn(hello, "of-admin"));
    value(await hello.accountObject.deleteToken(tokenId, caller));
    for (const name of ["first", "second"]) {
      expect(code(await authenticate(hello, name))).toBe("unauthorized");
    }
    value(await authenticate(hello, "of-admin"));
    expect(await liveIds(hello)).toEqual(["of-admin0000"]);
    expect(await countOf(hello, "sessions")).toEqual({ n: 1 });
  });

  test("is not made for an agent's token or an unknown one", async ({ hello }) => {
    expect(code(await logIn(hello, "session", "agenttoken00"))).toBe("forbidden");
    expect(code(await logIn(hello, "session", "unknown00000"))).toBe("token_not_found");
    expect(await countOf(hello, "sessions")).toEqual({ n: 0 });
  });

  test("makes the oldest of its token end where there are too many", async ({ hello }) => {
    const tokenId = await addToken(hello, "token");
    value(await logIn(hello, "of-admin"));
    const names = Array.from({ length: sessionsPerTokenMax + 1 }, (_, n) => `session${n + 1000}`);
    for (const name of names) value(await logIn(hello, name, tokenId));
    expect(code(await authenticate(hello, names[0] ?? ""))).toBe("unauthorized");
    for (const name of names.slice(1)) value(await authenticate(hello, name));
    value(await authenticate(hello, "of-admin"));
    expect(await countOf(hello, "sessions")).toEqual({ n: sessionsPerTokenMax + 1 });
  });

  test("that has expired is not kept for good, also where nobody logs in any more", async ({ hello }) => {
    value(await logIn(hello, "old"));
    await passTimeRunning(hello.accountObject, 7 * day - 1);
    expect(await countOf(hello, "sessions")).toEqual({ n: 1 });
    await passTimeRunning(hello.accountObject, expiredForgottenEveryMs);
    expect(await countOf(hello, "sessions")).toEqual({ n: 0 });
  });
});

describe("the sessions of an account", () => {
  test("are listed newest first, page by page, without their secrets", async ({ hello }) => {
    for (const name of ["a", "b", "c"]) value(await logIn(hello, name));
    const first = value(await hello.accountObject.listSessions({ limit: 2 }));
    const rest = value(await hello.accountObject.listSessions({ limit: 2, cursor: first.next ?? "none" }));
    expect([first, rest].map(({ items }) => items.map(({ id }) => id.charAt(0)))).toEqual([
      ["c", "b"],
      ["a"],
    ]);
    expect(rest.next).toBeNull();
    expect(JSON.stringify([first, rest])).not.toContain(await hashSecret("a"));
    expect(code(await hello.accountObject.listSessions({ limit: 2, cursor: "-1" }))).toBe("bad_request");
  });

  test("end one by one", async ({ hello }) => {
    value(await logIn(hello, "a"));
    value(await logIn(hello, "b"));
    value(await hello.accountObject.deleteSession("a00000000000", caller));
    expect(code(await authenticate(hello, "a"))).toBe("unauthorized");
    value(await authenticate(hello, "b"));
    expect(code(await hello.accountObject.deleteSession("a00000000000", caller))).toBe("session_not_found");
  });
});

describe("a login link", () => {
  const makeLink = async (hello: Hello, name: string, tokenId = admin, expiresInSeconds = 600) =>
    hello.accountObject.createLoginLink({ tokenId, expiresInSeconds, secret: await secretOf(name) });
  const use = async (hello: Hello, name: string, session: string, secret = name) =>
    hello.accountObject.useLoginLink(
      { id: name.padEnd(12, "0"), secretHash: await hashSecret(secret) },
      { userAgent: "a browser", secret: await secretOf(session) },
    );

  test("makes a browser session of the token that made it", async ({ hello }) => {
    const tokenId = await addToken(hello, "reader");
    expect(value(await makeLink(hello, "link", tokenId))).toEqual({
      id: "link00000000",
      expiresAt: Date.now() + 600_000,
    });
    const session = value(await use(hello, "link", "session"));
    expect(session).toMatchObject({ kind: "browser", token_id: tokenId, user_agent: "a browser" });
    expect(value(await authenticate(hello, "session"))).toMatchObject({ tokenId, role: "read" });
  });

  test("is used once, also by two who use it at once", async ({ hello }) => {
    value(await makeLink(hello, "link"));
    const both = await Promise.all([use(hello, "link", "one"), use(hello, "link", "two")]);
    expect(both.filter(({ ok }) => ok)).toHaveLength(1);
    expect(both.flatMap((result) => (result.ok ? [] : [result.error.code]))).toEqual([
      "login_link_not_found",
    ]);
    expect(await countOf(hello, "sessions")).toEqual({ n: 1 });
  });

  test("is refused in the same words when it was used, when it has expired and when it never was", async ({
    hello,
  }) => {
    const unknown = await use(hello, "unknown", "s");
    expect(code(unknown)).toBe("login_link_not_found");
    value(await makeLink(hello, "link"));
    expect(await use(hello, "link", "s", "wrong")).toEqual(unknown);
    value(await use(hello, "link", "s"));
    expect(await use(hello, "link", "again")).toEqual(unknown);
    value(await makeLink(hello, "late"));
    vi.setSystemTime(Date.now() + 600_000);
    expect(await use(hello, "late", "s2")).toEqual(unknown);
  });

  test("works until the millisecond of its end, and no longer than its token", async ({ hello }) => {
    const tokenId = await addToken(hello, "short", { expires_in_seconds: 60 });
    expect(value(await makeLink(hello, "a", tokenId)).expiresAt).toBe(Date.now() + 60_000);
    value(await makeLink(hello, "b", tokenId));
    vi.setSystemTime(Date.now() + 59_999);
    value(await use(hello, "a", "session"));
    vi.setSystemTime(Date.now() + 1);
    expect(code(await use(hello, "b", "another"))).toBe("login_link_not_found");
  });

  test("ends when its token is revoked", async ({ hello }) => {
    const tokenId = await addToken(hello, "revoked");
    value(await makeLink(hello, "link", tokenId));
    value(await hello.accountObject.deleteToken(tokenId, caller));
    expect(code(await use(hello, "link", "session"))).toBe("login_link_not_found");
    expect(await countOf(hello, "login_links")).toEqual({ n: 0 });
  });

  const linkOf = async (hello: Hello, name: string, sessionId: string) =>
    hello.accountObject.createLoginLink({
      tokenId: admin,
      sessionId,
      expiresInSeconds: 3600,
      secret: await secretOf(name),
    });

  test("that a session has made ends with the session", async ({ hello }) => {
    const { id } = value(await logIn(hello, "session"));
    value(await linkOf(hello, "a", id));
    value(await linkOf(hello, "b", id));
    value(await use(hello, "a", "first"));
    value(await hello.accountObject.deleteSession(id, caller));
    expect(code(await use(hello, "b", "second"))).toBe("login_link_not_found");
    expect(code(await linkOf(hello, "c", id))).toBe("session_not_found");
    const params = { tokenId: admin, sessionId: id, kind: "cli", userAgent: "" } as const;
    const begun = { ...params, secret: await secretOf("third") };
    expect(code(await hello.accountObject.createSession(begun))).toBe("session_not_found");
    // What has logged in already is a session of its own, in the list.
    expect(await liveIds(hello)).toEqual(["first0000000"]);
  });

  test("that a session has made ends when the session expires", async ({ hello }) => {
    const { id } = value(await logIn(hello, "session"));
    vi.setSystemTime(Date.now() + 7 * day - 1);
    value(await linkOf(hello, "a", id));
    value(await linkOf(hello, "b", id));
    value(await use(hello, "a", "first"));
    vi.setSystemTime(Date.now() + 1);
    expect(code(await use(hello, "b", "second"))).toBe("login_link_not_found");
  });

  test("is no access token", async ({ hello }) => {
    value(await makeLink(hello, "link"));
    expect(code(await authenticate(hello, "link"))).toBe("unauthorized");
  });

  test("is not made for an agent's token", async ({ hello }) => {
    expect(code(await makeLink(hello, "link", "agenttoken00"))).toBe("forbidden");
  });

  test("that nobody has used is not kept for good", async ({ hello }) => {
    value(await makeLink(hello, "old"));
    await passTimeRunning(hello.accountObject, 600_000 - 1);
    expect(await countOf(hello, "login_links")).toEqual({ n: 1 });
    await passTimeRunning(hello.accountObject, expiredForgottenEveryMs);
    expect(await countOf(hello, "login_links")).toEqual({ n: 0 });
  });
});
