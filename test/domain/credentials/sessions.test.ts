import { describe, expect, test } from "vitest";
import { tokenRoles } from "../../../src/domain/credentials/access.ts";
import {
  mayEndSession,
  mayLogIn,
  sessionExpiry,
  shortUserAgent,
} from "../../../src/domain/credentials/sessions.ts";

const now = Date.parse("2030-01-01T00:00:00Z");
const day = 24 * 3600 * 1000;

describe("a session", () => {
  test.for([
    ["browser", null, 7],
    ["cli", null, 90],
    ["browser", 8, 7],
    ["cli", 8, 8],
    ["browser", 1, 1],
  ] as const)("at a %s, of a token that lives for %j days, lives for %i days", ([kind, token, days]) => {
    const tokenExpiresAt = token === null ? null : now + token * day;
    expect(sessionExpiry(kind, tokenExpiresAt, now)).toBe(now + days * day);
  });

  test.for(tokenRoles)("is made for a token of the role %s", (role) => {
    expect(mayLogIn(role).ok).toBe(true);
  });

  test("is not made for an agent's token", () => {
    expect(mayLogIn("agent")).toMatchObject({ ok: false, error: { code: "forbidden" } });
  });
});

describe("ending a session", () => {
  const mine = { id: "sessionofme0" };
  test.for([
    ["an admin of the account", { role: "admin" }, true],
    ["the session itself", { role: "read", session: mine }, true],
    ["another session of the role read", { role: "read", session: { id: "another00000" } }, false],
    ["a token that is no admin's", { role: "deploy" }, false],
    ["an admin of one service", { role: "admin", service: "hello" }, false],
    ["an agent", { role: "agent", cluster: "main" }, false],
  ] as const)("%s: %j may: %j", ([, caller, may]) => {
    expect(mayEndSession(caller, mine.id).ok).toBe(may);
  });

  test("that the caller may not end is refused in the words for one that does not exist", () => {
    const refused = mayEndSession({ role: "read" }, mine.id);
    expect(refused).toEqual({
      ok: false,
      error: { code: "session_not_found", message: "session `sessionofme0` not found" },
    });
  });
});

describe("a user agent", () => {
  test("is cut to 200 characters, of which none is cut apart", () => {
    expect(shortUserAgent("a".repeat(300))).toBe("a".repeat(200));
    expect(shortUserAgent("😀".repeat(300))).toBe("😀".repeat(200));
  });

  test("that is not sent is empty", () => {
    expect(shortUserAgent(null)).toBe("");
  });
});
