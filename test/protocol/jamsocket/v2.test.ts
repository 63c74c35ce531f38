import { describe, expect, test } from "vitest";
import { connectBody, serviceAnswer, terminateBody, updateBody } from "../../../src/protocol/jamsocket/v2.ts";

const digest = `sha256:${"a".repeat(64)}`;

describe("a v2 connect body", () => {
  test.for([
    {},
    { key: "doc-123", user: "ada", auth: { role: "editor", nested: [{ deep: null }] } },
    { spawn: true },
    { spawn: false, key: "doc" },
    { spawn: {} },
    { spawn: { tag: "v1", cluster: "eu-prod", lifetime_limit_seconds: 60, max_idle_seconds: 0 } },
    { spawn: { tag: digest } },
    {
      spawn: { executable: { mount: true, env: { FOO: "bar" }, resource_limits: { memory_limit_bytes: 1 } } },
    },
    { spawn: { executable: { mount: "data" } } },
    { key: "\u{1f4a1}".repeat(128) },
  ])("may say %j", (body) => {
    expect(connectBody.parse(body)).toEqual(body);
  });

  test("ignores fields that it does not know, as the original does", () => {
    expect(connectBody.parse({ key: "doc", later: 1, spawn: { later: 2 } })).toEqual({
      key: "doc",
      spawn: {},
    });
  });

  test.for([
    null,
    [],
    { key: "" },
    { key: 1 },
    { key: null },
    { key: "x".repeat(129) },
    { key: "\u{1f4a1}".repeat(129) },
    { key: "\ud800" },
    { user: "x".repeat(1001) },
    { user: 1 },
    { auth: "admin" },
    { auth: ["admin"] },
    { auth: null },
    { spawn: "yes" },
    { spawn: null },
    { spawn: { tag: "a b" } },
    { spawn: { tag: "sha256:abc" } },
    { spawn: { cluster: "EU" } },
    { spawn: { lifetime_limit_seconds: 0 } },
    { spawn: { lifetime_limit_seconds: 1e12 } },
    { spawn: { max_idle_seconds: -1 } },
    { spawn: { max_idle_seconds: 0.5 } },
    { spawn: { tag: null } },
    { spawn: { cluster: null } },
    { spawn: { lifetime_limit_seconds: null } },
    { spawn: { max_idle_seconds: null } },
    { spawn: { executable: null } },
    { spawn: { executable: { env: null } } },
    { spawn: { executable: { mount: null } } },
    { spawn: { executable: { resource_limits: null } } },
    { spawn: { executable: { env: { FOO: 1 } } } },
    { user: null },
    { spawn: { executable: { resource_limits: { memory_limit_bytes: 0 } } } },
    { spawn: { executable: { resource_limits: { cpu_period: "1s" } } } },
  ])("may not say %j", (body) => {
    expect(connectBody.safeParse(body).success).toBe(false);
  });
});

describe("other v2 bodies", () => {
  test.for(["latest", digest])("an update pins to %s", (image_tag) => {
    expect(updateBody.parse({ image_tag })).toEqual({ image_tag });
  });

  test.for([{}, { image_tag: "" }, { image_tag: "hello:v1" }, { image_tag: null }])(
    "an update may not say %j",
    (body) => {
      expect(updateBody.safeParse(body).success).toBe(false);
    },
  );

  test("an end is soft or hard", () => {
    expect(terminateBody.parse({})).toEqual({});
    expect(terminateBody.safeParse({ hard: "yes" }).success).toBe(false);
  });

  test("a service's answer never has empty environments or an environment without a cluster", () => {
    const environment = {
      name: "default",
      image_tag: "latest",
      cluster: "eu",
      created_at: "2026-11-23T09:00:00Z",
      last_spawned_at: null,
    };
    const answer = {
      name: "hello",
      account_name: "acme",
      created_at: "2026-11-23T09:00:00Z",
      last_spawned_at: null,
      last_image_upload_time: null,
      last_image_digest: null,
      image_name: "localhost:8787/acme/hello",
      environments: [environment],
    };
    expect(serviceAnswer.safeParse(answer).success).toBe(true);
    expect(serviceAnswer.safeParse({ ...answer, environments: [] }).success).toBe(false);
    expect(
      serviceAnswer.safeParse({ ...answer, environments: [{ ...environment, cluster: null }] }).success,
    ).toBe(false);
  });
});
