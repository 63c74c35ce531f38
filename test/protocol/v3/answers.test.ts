import { describe, expect, test } from "vitest";
import type { z } from "zod";
import { deliveryList } from "../../../src/protocol/v3/deliveries.ts";
import { drainList } from "../../../src/protocol/v3/drains.ts";
import { eventList } from "../../../src/protocol/v3/events.ts";
import { loginLink, sessionList } from "../../../src/protocol/v3/sessions.ts";
import { terminationList } from "../../../src/protocol/v3/terminations.ts";

const at = "2026-11-23T09:00:00.000Z";

interface Answer {
  schema: z.ZodType;
  /** Where the items of a list stand. */
  field: string;
  /** An item with everything that it may have. */
  full: Record<string, unknown>;
  optional: string[];
  nullable: string[];
  /** Changes of it that make it none. */
  bad: Record<string, unknown>[];
}

const attempt = {
  time: at,
  attempt: 1,
  status: 503,
  duration_ms: 12.5,
  error: "the cluster answered with 503",
};

const lists: Record<string, Answer> = {
  deliveries: {
    schema: deliveryList,
    field: "deliveries",
    full: {
      id: "msg_1",
      type: "backend.spawn",
      service: "hello",
      environment: "prod",
      backend_id: "k3f9q7h3kq2m9",
      attempts: [attempt, { ...attempt, attempt: 2, status: null }, { ...attempt, attempt: 3, error: null }],
      outcome: "delivered",
    },
    optional: ["service", "environment", "backend_id"],
    nullable: [],
    bad: [
      { type: "backend.ended" },
      { outcome: "failed" },
      { attempts: [{ ...attempt, attempt: 0 }] },
      { attempts: [{ ...attempt, status: "503" }] },
      { attempts: [{ ...attempt, error: undefined }] },
      { attempts: [{ ...attempt, time: 0 }] },
    ],
  },
  events: {
    schema: eventList,
    field: "events",
    full: {
      id: "0001",
      time: at,
      type: "environment.pinned",
      actor: { token_id: "3f9q7h3kq2m9", token_name: "ci" },
      service: "hello",
      environment: "prod",
      cluster: "eu",
      backend_id: "k3f9q7h3kq2m9",
      message: "pinned prod to v12",
      details: { image: "v12", revision: 7, forced: false, note: null, environments: ["prod"] },
    },
    optional: ["service", "environment", "cluster", "backend_id", "details"],
    nullable: ["actor"],
    bad: [
      { type: "backend.spawned" },
      { actor: { token_id: "3f9q7h3kq2m9" } },
      { details: { nested: {} } },
      { details: { list: [1] } },
      { time: 0 },
    ],
  },
  sessions: {
    schema: sessionList,
    field: "sessions",
    full: {
      id: "s1",
      kind: "browser",
      token_id: "3f9q7h3kq2m9",
      user_agent: "Mozilla/5.0",
      created_at: at,
      expires_at: at,
    },
    optional: [],
    nullable: [],
    bad: [{ kind: "api" }, { expires_at: "never" }],
  },
  drains: {
    schema: drainList,
    field: "drains",
    full: {
      id: "d1",
      state: "cancelled",
      environment: "prod",
      environments: ["prod", "staging"],
      digest: `sha256:${"a".repeat(64)}`,
      before_revision: 7,
      before: at,
      when: { at_end_of: 600 },
      rate_per_minute: 60,
      keep: { keys: ["doc"], backends: ["k3f9q7h3kq2m9"] },
      created_at: at,
      by: { token_id: "t", token_name: "ci" },
      total: 3,
      ended: 2,
      live: 1,
      kept: 1,
      oldest_started_at: at,
      eta: at,
      held_up_by: { count: 1, backends: ["k3f9q7h3kq2m9"] },
      ended_at: at,
      reason: "digest_current",
    },
    optional: [
      "environment",
      "environments",
      "digest",
      "before_revision",
      "before",
      "keep",
      "ended_at",
      "reason",
    ],
    nullable: ["oldest_started_at", "eta"],
    bad: [{ state: "over" }, { reason: "bored" }, { when: "now" }, { live: 0.5 }, { eta: "soon" }],
  },
  terminations: {
    schema: terminationList,
    field: "terminations",
    full: {
      id: "t1",
      cause: "request",
      hard: true,
      environments: ["prod"],
      created_before: at,
      created_at: at,
      status: "complete",
      total: 3,
      terminated: 3,
      remaining: 0,
      finished_at: at,
    },
    optional: ["environments", "created_before", "finished_at"],
    nullable: [],
    bad: [{ cause: "lost" }, { status: "failed" }, { total: 0.5 }, { environments: "prod" }],
  },
};

describe.for(Object.entries(lists))(
  "a list of %s",
  ([, { schema, field, full, optional, nullable, bad }]) => {
    const takes = (change: object) => schema.safeParse({ [field]: [{ ...full, ...change }] }).success;

    test("is read as it was written, with and without a next page", () => {
      for (const answer of [{ [field]: [] }, { [field]: [full, full], next_cursor: "c" }]) {
        expect(schema.parse(answer)).toEqual(answer);
      }
      expect(schema.safeParse({}).success).toBe(false);
    });

    test("has in each item what it always has, and null only for what may be null", () => {
      for (const name of Object.keys(full)) {
        const { [name]: _, ...without } = full;
        const parsed = schema.safeParse({ [field]: [without] });
        expect({ name, optional: parsed.success }).toEqual({ name, optional: optional.includes(name) });
        expect({ name, nullable: takes({ [name]: null }) }).toEqual({
          name,
          nullable: nullable.includes(name),
        });
      }
    });

    test.for(bad)("has no item with %j", (change) => {
      expect(takes(change)).toBe(false);
    });
  },
);

test("a termination is of a request or of its service's end, and running or complete", () => {
  const { terminations } = lists;
  for (const change of [{ cause: "service_deleted" }, { status: "running" }]) {
    const answer = { terminations: [{ ...terminations?.full, ...change }] };
    expect(terminationList.parse(answer)).toEqual(answer);
  }
});

test("a login link has an address and an end", () => {
  const link = { url: "https://slipway.example.com/login/x", expires_at: at };
  expect(loginLink.parse(link)).toEqual(link);
  expect(loginLink.safeParse({ url: link.url }).success).toBe(false);
  expect(loginLink.safeParse({ expires_at: at }).success).toBe(false);
});
