import { describe, expect, test } from "vitest";
import { permits, type Scope, type TokenRole, tokenRoles } from "../../../src/domain/credentials/access.ts";
import {
  checkRight,
  hasRight,
  type TokenRight,
  tokenRights,
} from "../../../src/domain/credentials/rights.ts";

const roles: TokenRole[] = [...tokenRoles, "agent"];
const sets: TokenRight[][] = [[], ["approve"], ["check"], ["approve", "check"]];

describe("a right", () => {
  const cases = roles.flatMap((role) => sets.map((rights) => ({ role, rights })));

  test.for(cases)("is had by who was given it, and by no role: $role with $rights", ({ role, rights }) => {
    for (const right of tokenRights) {
      expect(hasRight({ rights }, right)).toBe(rights.includes(right));
      const scope: Scope = { role, rights };
      expect(checkRight(scope, right).ok).toBe(rights.includes(right));
    }
    expect(hasRight({}, "approve")).toBe(false);
  });

  test("adds nothing to what the role permits, and widens nothing that a token is narrowed to", () => {
    for (const role of roles) {
      for (const action of ["read", "spawn", "deploy", "admin", "agent"] as const) {
        const without = permits({ role }, action, { service: "hello" });
        expect(permits({ role, rights: tokenRights }, action, { service: "hello" })).toEqual(without);
      }
    }
    const narrowed = { role: "admin", rights: tokenRights, service: "hello", environments: ["qa"] } as const;
    expect(permits(narrowed, "read", { service: "other" }).ok).toBe(false);
    expect(permits(narrowed, "read", { service: "hello", environment: "prod" }).ok).toBe(false);
    expect(permits(narrowed, "read", { service: "hello", environment: "qa" }).ok).toBe(true);
  });

  test("that is missing is named by the refusal, to an admin too", () => {
    for (const right of tokenRights) {
      expect(checkRight({ rights: [] }, right)).toMatchObject({
        error: { code: "forbidden", message: `this needs a token with the right \`${right}\`` },
      });
    }
  });
});
