import { describe, expect, test } from "vitest";
import { deliveryQuery } from "../../../src/protocol/v3/deliveries.ts";
import { createDrainBody } from "../../../src/protocol/v3/drains.ts";
import { eventQuery } from "../../../src/protocol/v3/events.ts";
import { createLoginLinkBody } from "../../../src/protocol/v3/sessions.ts";
import { createTerminationBody } from "../../../src/protocol/v3/terminations.ts";
import { usageQuery } from "../../../src/protocol/v3/usage.ts";
import { describeBodies } from "./body-rules.ts";

const digest = `sha256:${"a".repeat(64)}`;

describeBodies({
  deliveryQuery: {
    schema: deliveryQuery,
    good: [
      { limit: 50 },
      { limit: 1, cursor: "c", outcome: "delivered", service: "hello" },
      { limit: 1, outcome: "failed" },
    ],
    bad: [{ outcome: "retrying" }, { outcome: "" }, { service: "Hello" }, { limit: 0 }, { cluster: "eu" }],
  },
  eventQuery: {
    schema: eventQuery,
    good: [
      { limit: 50 },
      {
        limit: 1,
        cursor: "c",
        service: "hello",
        environment: "prod",
        cluster: "eu",
        type: "environment.pinned",
      },
    ],
    bad: [
      { type: "backend.spawned" },
      { type: "" },
      { service: "" },
      { environment: "PROD" },
      { cluster: "a/b" },
    ],
  },
  createLoginLinkBody: {
    schema: createLoginLinkBody,
    good: [{ expires_in_seconds: 60 }, { expires_in_seconds: 86_400 }],
    bad: [
      { expires_in_seconds: 59 },
      { expires_in_seconds: 86_401 },
      { expires_in_seconds: 60.5 },
      { expires_in_seconds: "600" },
    ],
  },
  createTerminationBody: {
    schema: createTerminationBody,
    good: [{ hard: false }, { hard: true, environment: "prod", created_before: "2026-11-23T09:00:00Z" }],
    bad: [
      { hard: "yes" },
      { environment: "" },
      { environment: ["prod"] },
      { created_before: "2026-11-23" },
      { created_before: 1_795_424_400_000 },
    ],
  },
  createDrainBody: {
    schema: createDrainBody,
    good: [
      { digest, when: "idle", rate_per_minute: 60 },
      {
        environment: "prod",
        before_revision: 7,
        when: { at_end_of: 600 },
        rate_per_minute: 1,
        keep: { keys: ["doc"], backends: ["k3f9q7h3kq2m9"] },
      },
      { before: "2026-11-23T09:00:00+01:00", when: "idle", rate_per_minute: 6_000, keep: {} },
    ],
    bad: [
      {},
      { digest, before_revision: 7 },
      { before_revision: 7 },
      { digest: "v12" },
      { digest, when: "later" },
      { digest, rate_per_minute: 0.5 },
      { digest, keep: { environments: ["prod"] } },
    ],
  },
  usageQuery: {
    schema: usageQuery,
    good: [
      { step_seconds: 60 },
      { step_seconds: 3600, from: "2026-11-23T09:00:00+01:00", to: "2026-11-23T10:00:00Z" },
    ],
    bad: [
      { step_seconds: 0 },
      { step_seconds: -60 },
      { step_seconds: 1.5 },
      { step_seconds: "a minute" },
      { from: "yesterday" },
      { to: "" },
      { environment: "prod" },
    ],
  },
});

describe("what is left out", () => {
  test("a login link is good for ten minutes", () => {
    expect(createLoginLinkBody.parse({})).toEqual({ expires_in_seconds: 600 });
  });

  test("a termination is soft, and of all backends", () => {
    expect(createTerminationBody.parse({})).toEqual({ hard: false });
  });

  test("a drain waits until sessions without a key are idle, and ends one a second", () => {
    expect(createDrainBody.parse({ digest })).toEqual({ digest, when: "idle", rate_per_minute: 60 });
  });

  test("usage is by the minute, and a step is read from the text of a URL", () => {
    expect(usageQuery.parse({})).toEqual({ step_seconds: 60 });
    expect(usageQuery.parse({ step_seconds: "300" })).toEqual({ step_seconds: 300 });
  });
});
