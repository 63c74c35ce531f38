import { env } from "cloudflare:workers";
import { test as base, describe, expect, vi } from "vitest";
import { publicAccess } from "../../src/edge/admission/access.ts";
import { defineRoute } from "../../src/edge/api/route.ts";
import { createApp } from "../../src/edge/app.ts";
import {
  newAccessSecret,
  newAgentSecret,
  newSigningSecret,
  type SecretSource,
  secretSource,
} from "../../src/edge/credentials/secrets.ts";
import { csrfToken } from "../../src/edge/pages/frame/session.ts";
import { errorEnvelope } from "../../src/protocol/error-envelope.ts";
import { apiOrigin, send } from "../support/worker/api.ts";

const test = base
  /** What is logged as an error, which is not printed. */
  .extend("logged", ({ task: _ }, { onCleanup }) => {
    const spy = vi.spyOn(console, "error").mockReturnValue(undefined);
    onCleanup(() => {
      spy.mockRestore();
    });
    return spy;
  });

/** An app of one route that throws an exception. */
async function answerTo(exception: unknown) {
  const route = defineRoute({
    method: "GET",
    path: "/x",
    version: "v3",
    access: publicAccess,
    summary: "Throws",
    handle() {
      throw exception;
    },
  });
  const response = await createApp([route]).fetch(new Request(`${apiOrigin}/x`), env);
  return { response, error: errorEnvelope.parse(await response.json()).error };
}

describe("an exception", () => {
  test.each([
    ["overloaded", { overloaded: true }],
    ["restarting", { retryable: true }],
  ])("of an object that is %s is answered 503 with Retry-After", async (_, mark) => {
    const { response, error } = await answerTo(Object.assign(new Error("inner"), mark));
    expect([response.status, error.code]).toEqual([503, "unavailable"]);
    expect(response.headers.get("retry-after")).toBe("1");
  });

  test("of any other kind is answered 500, logged with the request's id, and keeps its text to itself", async ({
    logged,
  }) => {
    const { response, error } = await answerTo(new Error("secret inner text"));
    expect([response.status, error.code]).toEqual([500, "internal_error"]);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(error.message).not.toContain("secret");
    expect(logged).toHaveBeenCalledWith(expect.stringContaining(error.id), expect.any(Error));
  });
});

describe("an exception behind a page that people open", () => {
  test.for<[what: string, exception: Error, status: number]>([
    ["a bug", new Error("secret inner text"), 500],
    ["a busy object", Object.assign(new Error("inner"), { overloaded: true }), 503],
  ])(
    "is answered with a page that has its request's id: %s",
    async ([_, exception, status], { logged: _logged }) => {
      const route = defineRoute({
        method: "GET",
        path: "/x",
        version: "public",
        access: publicAccess,
        produces: "text/html",
        summary: "Throws",
        handle() {
          throw exception;
        },
      });
      const request = new Request(`${apiOrigin}/x`, { headers: { accept: "text/html" } });
      const response = await createApp([route]).fetch(request, env);
      expect([response.status, response.headers.get("content-type")]).toEqual([
        status,
        "text/html; charset=utf-8",
      ]);
      const text = await response.text();
      expect(text).toContain(`Request ${response.headers.get("x-request-id")}`);
      expect(text).not.toContain("inner");
    },
  );
});

describe("an exception on a page of the dashboard", () => {
  test("is logged with the path as mounted: the path of a login link is a credential", async () => {
    const logged = vi.spyOn(console, "error").mockReturnValue(undefined);
    const broken = {
      ...env,
      get ACCOUNT(): never {
        throw new Error("inner");
      },
    };
    const request = new Request(`${apiOrigin}/login/acme_000000000000.${"s".repeat(43)}`, {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded", cookie: "slipway_visitor=v" },
      body: new URLSearchParams({ csrf: await csrfToken("v") }).toString(),
    });
    const response = await createApp([]).fetch(request, broken);
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain("inner");
    expect(logged).toHaveBeenCalledExactlyOnceWith(
      expect.stringMatching(/^[\w-]{36} POST \/login\/:link$/),
      expect.any(Error),
    );
  });
});

describe("cross-origin requests", () => {
  const origin = "https://app.example.com";

  test.each(["/v2/backend/0000000000000/status", "/backend/0000000000000/status/stream"])(
    "may read %s, also when it fails, and send a preflight",
    async (path) => {
      const answer = await send(path, { headers: { origin } });
      expect(answer.headers.get("access-control-allow-origin")).toBe("*");
      expect(answer.headers.get("content-type")).toBe("application/json");
      const preflight = await send(path, {
        method: "OPTIONS",
        headers: { origin, "access-control-request-method": "GET" },
      });
      expect(preflight.status).toBe(204);
      expect(preflight.headers.get("x-request-id")).toMatch(/./);
      expect(preflight.headers.get("access-control-allow-origin")).toBe("*");
      expect(preflight.headers.get("access-control-allow-methods")).toContain("GET");
    },
  );

  test.each(["/v2/backend/0000000000000", "/auth", "/v3/accounts/acme/tokens"])(
    "may not read %s",
    async (path) => {
      const answer = await send(path, { headers: { origin } });
      expect(answer.headers.has("access-control-allow-origin")).toBe(false);
    },
  );
});

describe("public answers", () => {
  test("publish the signing keys without their private parts", async () => {
    const text = await (await send("/.well-known/jwks.json")).text();
    const { keys } = JSON.parse(text);
    expect(keys).toHaveLength(1);
    expect(keys[0]).not.toHaveProperty("d");
    expect(keys[0]).toMatchObject({ kty: "OKP", crv: "Ed25519", alg: "EdDSA", use: "sig" });
  });

  test("say that the Worker answers", async () => {
    const answer = await send("/healthz");
    expect(await answer.json()).toEqual({ status: "ok" });
    expect(answer.headers.get("x-request-id")).toMatch(/./);
  });
});

describe("new secrets", () => {
  const idempotency = { principal: "atoken000000", key: "k", requestHash: "h" };

  test("have 12 characters of id and 43 of secret", async () => {
    for (const source of [secretSource(env, "acme", undefined), secretSource(env, "acme", idempotency)]) {
      for (const made of [await newAccessSecret(source), await newAgentSecret(source)]) {
        expect(made.id).toMatch(/^[0-9a-z]{12}$/);
        expect(made.secret).toMatch(/^[A-Za-z0-9_-]{43}$/);
      }
    }
  });

  test("are the same only for the same purpose, account, principal, key and request", async () => {
    const make = async (account: string, given: typeof idempotency) =>
      (await newAccessSecret(secretSource(env, account, given))).secret;
    const same = await make("acme", idempotency);
    expect(await make("acme", { ...idempotency })).toBe(same);
    const others = [
      await make("other", idempotency),
      await make("acme", { ...idempotency, principal: "other0000000" }),
      await make("acme", { ...idempotency, key: "l" }),
      await make("acme", { ...idempotency, requestHash: "i" }),
      (await newAgentSecret(secretSource(env, "acme", idempotency))).secret,
    ];
    expect(new Set([same, ...others]).size).toBe(6);
  });

  test("of one request are each for a purpose of their own, and no two of the same bytes", async () => {
    const derived = secretSource(env, "acme", idempotency);
    const made: { purpose: string; bytes: string }[] = [];
    const source: SecretSource = async (purpose) => {
      const bytes = await derived(purpose);
      made.push({ purpose, bytes: bytes.join() });
      return bytes;
    };
    for (const make of [newAccessSecret, newAgentSecret, newSigningSecret]) await make(source);
    expect(made).toHaveLength(4);
    expect(new Set(made.map(({ purpose }) => purpose)).size).toBe(4);
    expect(new Set(made.map(({ bytes }) => bytes)).size).toBe(4);
  });
});

describe("a path that leads nowhere", () => {
  test.each([
    ["application/json, */*", "application/json"],
    ["text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"],
  ])("is answered 404 in what it accepts: %s", async (accept, type) => {
    const response = await send("/no/such/thing", { headers: { accept } });
    expect([response.status, response.headers.get("content-type")]).toEqual([404, type]);
    await response.text();
  });
});

describe("a method that a path does not have", () => {
  test.each([
    ["DELETE", "/healthz", "GET"],
    ["PUT", "/v3/accounts/acme/services/hello", "GET, PATCH, DELETE"],
    ["POST", "/backend/0000000000000/status", "GET, OPTIONS"],
    ["DELETE", "/login", "GET, POST"],
    ["HEAD", "/v3/accounts", "POST"],
  ])("is answered 405 at %s %s, with those that it has", async (method, path, allow) => {
    const response = await send(path, { method, headers: { accept: "text/html" } });
    expect([response.status, response.headers.get("allow")]).toEqual([405, allow]);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(response.headers.has("content-security-policy")).toBe(false);
    const text = await response.text();
    if (method === "HEAD") return;
    const { error } = errorEnvelope.parse(JSON.parse(text));
    expect(error.message).toBe(`${method} is not allowed here; allowed: ${allow}`);
    expect(error.id).toBe(response.headers.get("x-request-id"));
  });

  test("leaves the 404 of a method that it has alone", async () => {
    const response = await send("/backend/0000000000000/status");
    expect([response.status, response.headers.has("allow")]).toEqual([404, false]);
    await response.text();
  });
});
