import { describe, expect, test } from "vitest";
import { backendQuery } from "../../../src/protocol/v3/backends.ts";
import { recordImageBody } from "../../../src/protocol/v3/images.ts";
import { listQuery } from "../../../src/protocol/v3/list.ts";
import {
  createEnvironmentBody,
  createServiceBody,
  patchEnvironmentBody,
  patchServiceBody,
  pinBody,
  resolveQuery,
} from "../../../src/protocol/v3/services.ts";
import { describeBodies } from "./body-rules.ts";

const digest = `sha256:${"a".repeat(64)}`;

describeBodies({
  createServiceBody: {
    schema: createServiceBody,
    good: [{ name: "hello" }, { name: "hello", default_environment: "prod" }],
    bad: [{}, { name: "" }, { name: "hello", default_environment: null }],
  },
  patchServiceBody: {
    schema: patchServiceBody,
    nullable: ["default_environment"],
    good: [{ default_environment: "prod" }, { default_environment: null }],
    bad: [{}, { default_environment: "" }, { default_environment: "prod", name: "hello" }],
  },
  createEnvironmentBody: {
    schema: createEnvironmentBody,
    good: [
      { name: "prod", image: "latest" },
      { name: "prod", image: digest, cluster: "eu" },
      { name: "prod", image: "v1", settings: { max_idle_seconds: 0, startup_timeout_seconds: 1 } },
    ],
    bad: [
      {},
      { name: "PROD" },
      { name: "prod", image: "hello:v1" },
      { name: "prod", image: "" },
      { name: "prod", cluster: null },
      { name: "prod", settings: { startup_timeout_seconds: 0 } },
      { name: "prod", settings: { max_idle_seconds: -1 } },
      { name: "prod", settings: { lifetime_limit_seconds: "1h" } },
      { name: "prod", settings: { idle: 1 } },
    ],
  },
  patchEnvironmentBody: {
    schema: patchEnvironmentBody,
    nullable: ["cluster"],
    good: [{}, { cluster: null }, { cluster: "eu", settings: {} }],
    bad: [{ image: "v1" }, { settings: null }, { cluster: "" }],
  },
  pinBody: {
    schema: pinBody,
    good: [{ image: "v1" }, { image: digest, note: "x".repeat(500) }, { image: "v1", note: "" }],
    bad: [
      {},
      { image: "v1", note: "x".repeat(501) },
      { image: "sha256:abc" },
      { image: ".v1" },
      { image: null },
      { image: "v1", note: null },
    ],
  },
  resolveQuery: {
    schema: resolveQuery,
    good: [{}, { tag: "v1", key: "doc" }, { tag: digest }, { key: "\u{1f4a1}".repeat(128) }],
    bad: [{ key: "" }, { key: "x".repeat(129) }, { tag: "a b" }, { image: "v1" }],
  },
  recordImageBody: {
    schema: recordImageBody,
    good: [
      { digest },
      { digest: `sha512:${"b".repeat(128)}` },
      { digest, tag: "v1", repository: "registry.example.com:5000/acme/hello", media_type: "application/x" },
      { digest, repository: "acme/hello_world__x" },
      { digest, pushed_at: "2026-11-23T10:00:00+01:00" },
    ],
    bad: [
      {},
      { digest: "v1" },
      { digest, tag: digest },
      { digest, repository: "registry.example.com/acme/hello:v1" },
      { digest, repository: `acme/hello@${digest}` },
      { digest, repository: "https://registry.example.com/acme/hello" },
      { digest, repository: "registry.example.com/Acme/hello" },
      { digest, repository: "acme//hello" },
      { digest, repository: "acme/../hello" },
      { digest, repository: "" },
      { digest, repository: `${"a".repeat(250)}/hello` },
      { digest, pushed_at: "yesterday" },
      { digest, media_type: "x".repeat(201) },
    ],
  },
  backendQuery: {
    schema: backendQuery,
    good: [{ limit: 50 }, { limit: 1, environment: "prod", status: "terminated", digest, key: "doc" }],
    bad: [{ status: "live" }, { digest: "v1" }, { key: "" }, { environment: "PROD" }, { service: "hello" }],
  },
});

describe("what is left out", () => {
  test("an environment made without an image runs `latest`", () => {
    expect(createEnvironmentBody.parse({ name: "prod" })).toEqual({ name: "prod", image: "latest" });
  });

  test("a list without a limit is a page of 50", () => {
    expect(listQuery.parse({})).toEqual({ limit: 50 });
  });
});

describe("the limit of a list", () => {
  test.for([
    ["1", 1],
    ["200", 200],
  ] as const)("may be %s", ([limit, count]) => {
    expect(listQuery.parse({ limit })).toEqual({ limit: count });
  });

  test.for(["0", "201", "-1", "1.5", "many", "", " ", "NaN", "Infinity"])("may not be %j", (limit) => {
    expect(listQuery.safeParse({ limit }).success).toBe(false);
  });

  test("a cursor has at most 200 characters", () => {
    expect(listQuery.safeParse({ cursor: "x".repeat(200) }).success).toBe(true);
    expect(listQuery.safeParse({ cursor: "x".repeat(201) }).success).toBe(false);
  });
});
