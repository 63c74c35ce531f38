import { runInDurableObject } from "cloudflare:test";
import { describe, expect, vi } from "vitest";
import type { SessionKind } from "../../../src/domain/credentials/sessions.ts";
import { hashSecret } from "../../../src/protocol/tokens/access-token.ts";
import { formatSigningSecret } from "../../../src/protocol/webhooks/signature.ts";
import { test } from "../support/object-test.ts";
import { actor, caller, code, type Hello, value } from "../support/service.ts";

const by = { token_id: actor.tokenId, token_name: actor.tokenName };
const admin = { token_id: "admintoken00", token_name: "first admin" };
const newSecret = formatSigningSecret(new Uint8Array(32).fill(7));

async function secretOf(name: string) {
  return { id: name.padEnd(12, "0"), secretHash: await hashSecret(name) };
}

async function logIn(hello: Hello, name: string, kind: SessionKind = "browser", tokenId = admin.token_id) {
  const secret = await secretOf(name);
  return hello.accountObject.createSession({ tokenId, kind, userAgent: "a <browser>", secret });
}

/** The events of one type, newest first, without their ids. */
async function events(hello: Hello, type: "session.created" | "session.revoked" | "cluster.secret_rotated") {
  const { items } = value(await hello.accountObject.listEvents({ limit: 200, type }));
  return items.map(({ id, ...event }) => event);
}

const anyMessage = { message: expect.any(String), time: expect.stringMatching(/^2030-01-01T00:00:0/) };

describe("a session leaves an event", () => {
  test("when it is made, in the name of its access token and with its kind", async ({ hello }) => {
    for (const kind of ["browser", "cli"] as const) {
      vi.setSystemTime(Date.now() + 1_000);
      value(await logIn(hello, kind, kind));
      expect((await events(hello, "session.created"))[0]).toEqual({
        type: "session.created",
        actor: admin,
        details: { kind },
        ...anyMessage,
      });
    }
    expect(await events(hello, "session.created")).toHaveLength(2);
  });

  test("when it is made by a login link, as by its access token; the link itself leaves none", async ({
    hello,
  }) => {
    const secret = await secretOf("link");
    const params = { tokenId: admin.token_id, expiresInSeconds: 60, secret };
    value(await hello.accountObject.createLoginLink(params));
    expect(await events(hello, "session.created")).toEqual([]);
    const session = { userAgent: "a browser", secret: await secretOf("session") };
    value(await hello.accountObject.useLoginLink(secret, session));
    expect(code(await hello.accountObject.useLoginLink(secret, session))).toBe("login_link_not_found");
    const made = await events(hello, "session.created");
    expect(made).toEqual([
      { type: "session.created", actor: admin, details: { kind: "browser" }, ...anyMessage },
    ]);
  });

  test("when it is ended, in the name of whoever ends it, and once", async ({ hello }) => {
    const { id } = value(await logIn(hello, "session", "cli"));
    value(await hello.accountObject.deleteSession(id, caller));
    expect(code(await hello.accountObject.deleteSession(id, caller))).toBe("session_not_found");
    expect(await events(hello, "session.revoked")).toEqual([
      { type: "session.revoked", actor: by, details: { kind: "cli" }, ...anyMessage },
    ]);
  });

  test("but none where it was refused", async ({ hello }) => {
    expect(code(await logIn(hello, "session", "browser", "agenttoken00"))).toBe("forbidden");
    expect(code(await logIn(hello, "session", "browser", "unknown00000"))).toBe("token_not_found");
    expect(code(await hello.accountObject.deleteSession("session00000", caller))).toBe("session_not_found");
    expect(await events(hello, "session.created")).toEqual([]);
    expect(await events(hello, "session.revoked")).toEqual([]);
  });
});

describe("a rotated signing secret leaves an event", () => {
  test("in the name of whoever rotates it, once for each Idempotency-Key", async ({ hello }) => {
    const idempotency = { principal: "atoken000000", key: "k", requestHash: "h" };
    for (let n = 0; n < 2; n++) {
      value(await hello.accountObject.rotateSecret("main", newSecret, { ...caller, idempotency }));
    }
    expect(await events(hello, "cluster.secret_rotated")).toEqual([
      { type: "cluster.secret_rotated", actor: by, cluster: "main", ...anyMessage },
    ]);
  });

  test("but none where it was refused", async ({ hello }) => {
    expect(code(await hello.accountObject.rotateSecret("mian", newSecret, caller))).toBe("cluster_not_found");
    expect(code(await hello.accountObject.rotateSecret("main", hello.signingSecret, caller))).toBe(
      "already_exists",
    );
    expect(await events(hello, "cluster.secret_rotated")).toEqual([]);
  });
});

test("no event holds a secret, nor the hash of one", async ({ hello }) => {
  const names = ["session", "link", "token", "redeemed"];
  value(await logIn(hello, "session"));
  const params = { tokenId: admin.token_id, expiresInSeconds: 60, secret: await secretOf("link") };
  value(await hello.accountObject.createLoginLink(params));
  const redeemed = { userAgent: "a browser", secret: await secretOf("redeemed") };
  value(await hello.accountObject.useLoginLink(await secretOf("link"), redeemed));
  value(await hello.accountObject.createToken({ name: "ci", role: "read" }, await secretOf("token"), caller));
  value(await hello.accountObject.rotateSecret("main", newSecret, caller));
  value(await hello.accountObject.deleteSession("session00000", caller));
  const kept = await runInDurableObject(hello.accountObject, (_, { storage }) =>
    JSON.stringify(storage.sql.exec("SELECT * FROM events").toArray()),
  );
  expect(kept).toContain("session.revoked");
  const hashes = await Promise.all([...names, "agent", "secret"].map(hashSecret));
  for (const secret of [...hashes, newSecret, hello.signingSecret]) expect(kept).not.toContain(secret);
  expect(kept).not.toContain("whsec_");
});
