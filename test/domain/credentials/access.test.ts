import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Action,
  checkReach,
  permits,
  permitsChoice,
  reaches,
  type Scope,
  type Target,
  type TokenRole,
} from "../../../src/domain/credentials/access.ts";

const actions: Action[] = ["read", "spawn", "deploy", "admin", "agent"];
const roles: TokenRole[] = ["admin", "deploy", "spawn", "read", "agent"];

const may: Record<TokenRole, Action[]> = {
  admin: ["read", "spawn", "deploy", "admin"],
  deploy: ["read", "deploy"],
  spawn: ["read", "spawn"],
  read: ["read"],
  agent: ["agent"],
};

describe("roles", () => {
  const table = roles.flatMap((role) =>
    actions.map((action) => ({ role, action, verdict: may[role].includes(action) ? "may" : "may not" })),
  );
  test.for(table)("a token with the role $role $verdict $action", ({ role, action, verdict }) => {
    expect(permits({ role }, action, {}).ok).toBe(verdict === "may");
  });

  test("a refusal names the roles that would do", () => {
    const refused = permits({ role: "read" }, "deploy", {});
    expect(refused).toMatchObject({ error: { code: "forbidden" } });
    expect(refused.ok ? "" : refused.error.message).toMatch(/it needs `admin` or `deploy`$/);
    const agent = permits({ role: "admin" }, "agent", {});
    expect(agent.ok ? "" : agent.error.message).toContain("a cluster's agent token");
  });
});

describe("narrowed tokens", () => {
  const toHello = { service: "hello" };
  const toStaging = { service: "hello", environments: ["staging", "qa"] };
  const onStaging = { service: "hello", environment: "staging" };
  const onProd = { service: "hello", environment: "prod" };

  const cases: [title: string, scope: Scope, action: Action, target: Target, allowed: boolean][] = [
    ["its service", { role: "deploy", ...toHello }, "deploy", { service: "hello" }, true],
    ["another service", { role: "deploy", ...toHello }, "deploy", { service: "other" }, false],
    ["another service, only reading", { role: "read", ...toHello }, "read", { service: "other" }, false],
    ["what is above its service", { role: "admin", ...toHello }, "admin", {}, false],
    ["a look above its service", { role: "read", ...toHello }, "read", {}, false],
    ["any environment of its service", { role: "deploy", ...toHello }, "deploy", onProd, true],
    ["its environment", { role: "deploy", ...toStaging }, "deploy", onStaging, true],
    [
      "its second environment",
      { role: "deploy", ...toStaging },
      "deploy",
      { ...onStaging, environment: "qa" },
      true,
    ],
    ["another environment", { role: "deploy", ...toStaging }, "deploy", onProd, false],
    ["a look at another environment", { role: "read", ...toStaging }, "read", onProd, false],
    ["a spawn into another environment", { role: "spawn", ...toStaging }, "spawn", onProd, false],
    [
      "its environment's name in another service",
      { role: "deploy", ...toStaging },
      "deploy",
      { ...onStaging, service: "other" },
      false,
    ],
    ["a change above its environments", { role: "deploy", ...toStaging }, "deploy", toHello, false],
    [
      "a change of what its body names, which others check",
      { role: "deploy", ...toStaging },
      "deploy",
      { ...toHello, namesWithin: true },
      true,
    ],
    [
      "a change of another environment, whatever its body names",
      { role: "deploy", ...toStaging },
      "deploy",
      { ...onProd, namesWithin: true },
      false,
    ],
    ["administration above its environments", { role: "admin", ...toStaging }, "admin", toHello, false],
    ["a look at its service", { role: "read", ...toStaging }, "read", toHello, true],
    [
      "a spawn whose environment the service decides",
      { role: "spawn", ...toStaging },
      "spawn",
      toHello,
      true,
    ],
  ];
  test.for(cases)("%s", ([, scope, action, target, allowed]) => {
    expect(permits(scope, action, target).ok).toBe(allowed);
  });

  const name = fc.constantFrom("a", "b", "c");
  const scope = fc.record(
    { role: fc.constantFrom(...roles), service: name, environments: fc.uniqueArray(name, { minLength: 1 }) },
    { requiredKeys: ["role"] },
  );
  const target = fc.record({ service: name, environment: name }, { requiredKeys: [] });

  test("narrowing a token never lets it do more", () => {
    fc.assert(
      fc.property(scope, fc.constantFrom(...actions), target, (narrow, action, where) => {
        if (permits(narrow, action, where).ok)
          expect(permits({ role: narrow.role }, action, where).ok).toBe(true);
      }),
    );
  });

  test("what is permitted lies within the scope's names", () => {
    fc.assert(
      fc.property(scope, fc.constantFrom(...actions), target, (narrow, action, where) => {
        if (!permits(narrow, action, where).ok) return;
        if (narrow.service !== undefined) expect(where.service).toBe(narrow.service);
        if (narrow.environments && where.environment)
          expect(narrow.environments).toContain(where.environment);
      }),
    );
  });
});

describe("what a body, a query or an answer names", () => {
  test("is reached where the token is narrowed to it, or to nothing", () => {
    const cases = [undefined, [], ["staging"], ["staging", "qa"]].flatMap((environments) =>
      ["staging", "qa", "prod"].map((name) => ({ environments, name })),
    );
    for (const { environments, name } of cases) {
      expect(reaches(environments, name)).toBe(environments?.includes(name) ?? true);
      expect(checkReach(environments, name).ok).toBe(reaches(environments, name));
    }
  });

  test("is not said again where it is not reached", () => {
    const refused = checkReach(["staging"], "prod");
    expect(refused).toMatchObject({ error: { code: "forbidden" } });
    expect(JSON.stringify(refused)).not.toContain("prod");
  });

  const account = { own: "us", accountDefault: "eu" };
  const narrow = ["staging"];
  test.for([
    ["another cluster", narrow, { cluster: "eu" }, account, false],
    ["a cluster where there is none", narrow, { cluster: "eu" }, { own: null, accountDefault: null }, false],
    ["the account's default in place of another", narrow, { cluster: null }, account, false],
    ["its own cluster", narrow, { cluster: "us" }, account, true],
    [
      "the account's default, which it has",
      narrow,
      { cluster: null },
      { own: "eu", accountDefault: "eu" },
      true,
    ],
    ["no cluster", narrow, {}, account, true],
    ["any image", narrow, { image: "v1" }, account, true],
    ["another cluster, narrowed to no environments,", undefined, { cluster: "eu" }, account, true],
  ] as const)("decides on %s", ([, environments, choice, own, allowed]) => {
    expect(permitsChoice(environments, choice, own).ok).toBe(allowed);
  });
});
