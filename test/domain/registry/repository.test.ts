import { describe, expect, test } from "vitest";
import { type TokenRole, tokenRoles } from "../../../src/domain/credentials/access.ts";
import { onlyPullableService, permittedActions } from "../../../src/domain/registry/actions.ts";
import { parseRepositoryName } from "../../../src/domain/registry/repository.ts";

describe("a repository's name", () => {
  test("is an account and a service", () => {
    expect(parseRepositoryName("acme/hello-1")).toEqual({
      kind: "repository",
      repository: { account: "acme", service: "hello-1" },
    });
  });

  test.each(["acme", "acme/hello/deep", "a.b/c", "a__b/c", "acme/he_llo", `acme/${"a".repeat(41)}`])(
    "that OCI allows and no service has is unknown: %s",
    (text) => {
      expect(parseRepositoryName(text).kind).toBe("unknown");
    },
  );

  test.each([
    "",
    "/",
    "acme/",
    "/hello",
    "Acme/hello",
    "acme//hello",
    "-a/b",
    "a/b-",
    "a..b/c",
    "a b/c",
    "a".repeat(256),
  ])("that OCI does not allow is malformed: %s", (text) => {
    expect(parseRepositoryName(text).kind).toBe("malformed");
  });
});

describe("a token", () => {
  const expected: Record<TokenRole, string[]> = {
    admin: ["pull", "push", "delete"],
    deploy: ["pull", "push"],
    spawn: ["pull"],
    read: ["pull"],
    agent: ["pull"],
  };

  test.each([...tokenRoles, "agent"] as const)("of the role %s may do what its role says", (role) => {
    expect(permittedActions({ role }, "hello")).toEqual(expected[role]);
  });

  test("of another service may do nothing", () => {
    for (const role of tokenRoles) expect(permittedActions({ role, service: "other" }, "hello")).toEqual([]);
  });

  test("of some environments may pull only, since a push moves tags that all may follow", () => {
    const narrowed = { service: "hello", environments: ["staging"] };
    for (const role of tokenRoles) expect(permittedActions({ role, ...narrowed }, "hello")).toEqual(["pull"]);
  });

  test("of a cluster's agent pulls from every repository of its account", () => {
    expect(permittedActions({ role: "agent", cluster: "main" }, "anything")).toEqual(["pull"]);
  });

  test.each([...tokenRoles, "agent"] as const)(
    "of the role %s pulls from the one service that it is narrowed to, or from all",
    (role) => {
      for (const scope of [
        { role },
        { role, service: "hello" },
        { role, service: "hello", environments: ["prod"] },
      ]) {
        const only = onlyPullableService(scope);
        for (const service of ["hello", "other"]) {
          const isPullable = only === undefined || only === service;
          expect(permittedActions(scope, service).includes("pull")).toBe(isPullable);
        }
      }
    },
  );
});
