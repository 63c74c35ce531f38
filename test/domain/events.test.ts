import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { eventMessage } from "../../src/domain/event-message.ts";
import {
  type EventFacts,
  type EventType,
  eventId,
  eventIdPattern,
  eventIdRandomBytes,
  eventKind,
  eventTypes,
  matchesEvent,
} from "../../src/domain/events.ts";
import { revisionKinds } from "../../src/domain/pins/revision.ts";

const digest = `sha256:${"1234567890ab".padEnd(64, "c")}`;
const ofService = { service: "hello" };
const ofEnvironment = { service: "hello", environment: "staging" };
const ofCluster = { cluster: "main" };
const token = { token_id: "t", token_name: "ci" };

/** One of each type with its sentence. */
const examples: { [Type in EventType]: [Extract<EventFacts, { type: Type }>, string] } = {
  "service.created": [{ type: "service.created", ...ofService }, "created service `hello`"],
  "service.changed": [
    { type: "service.changed", ...ofService, details: { default_environment: "staging" } },
    "made `staging` the default environment of service `hello`",
  ],
  "service.deleted": [{ type: "service.deleted", ...ofService }, "deleted service `hello`"],
  "environment.created": [
    { type: "environment.created", ...ofEnvironment, details: { image: "latest" } },
    "created environment `staging`, pinned to `latest`",
  ],
  "environment.changed": [
    { type: "environment.changed", ...ofEnvironment, details: { cluster: null, max_idle_seconds: 5 } },
    "changed `cluster`, `max_idle_seconds` of environment `staging`",
  ],
  "environment.deleted": [{ type: "environment.deleted", ...ofEnvironment }, "deleted environment `staging`"],
  "environment.pinned": [
    {
      type: "environment.pinned",
      ...ofEnvironment,
      details: { kind: "pin", image: "v12", digest, revision: 3 },
    },
    "pinned `staging` to `v12` (sha256:1234567890ab…)",
  ],
  "environment.stopped": [
    { type: "environment.stopped", ...ofEnvironment, details: { reason: "an incident" } },
    "stopped environment `staging`: an incident",
  ],
  "environment.unstopped": [
    { type: "environment.unstopped", ...ofEnvironment },
    "took the stop of environment `staging` back",
  ],
  "candidate.added": [
    {
      type: "candidate.added",
      ...ofEnvironment,
      details: { tag: "main", digest, reason: "environment_frozen" },
    },
    "held sha256:1234567890ab…, pushed as `main`, back from `staging` (environment_frozen)",
  ],
  "rejection.lifted": [
    { type: "rejection.lifted", ...ofEnvironment, details: { digest, note: "it was the network" } },
    "lifted the rejection of sha256:1234567890ab… in `staging`: it was the network",
  ],
  "change.requested": [
    {
      type: "change.requested",
      ...ofEnvironment,
      details: { change: "c", kind: "promote", approvals_needed: 2 },
    },
    "requested a change of `staging` (promote), which waits for approval",
  ],
  "change.approved": [
    { type: "change.approved", ...ofEnvironment, details: { change: "c", approvals: 1 } },
    "approved of a change of `staging`",
  ],
  "change.ended": [
    { type: "change.ended", ...ofEnvironment, details: { change: "c", state: "withdrawn" } },
    "withdrew a change of `staging`",
  ],
  "check.posted": [
    { type: "check.posted", ...ofService, details: { digest, check: "e2e", state: "passed" } },
    "posted check `e2e` of sha256:1234567890ab…: passed",
  ],
  "image.recorded": [
    { type: "image.recorded", ...ofService, details: { digest, tag: "v12" } },
    "recorded image sha256:1234567890ab… as `v12`",
  ],
  "image.deleted": [
    { type: "image.deleted", ...ofService, details: { digest } },
    "deleted image sha256:1234567890ab…",
  ],
  "tag.removed": [
    { type: "tag.removed", ...ofService, details: { tag: "v12", digest } },
    "removed tag `v12` from image sha256:1234567890ab…",
  ],
  "backend.terminated": [
    { type: "backend.terminated", ...ofEnvironment, backend_id: "b", details: { hard: false } },
    "terminated backend `b` softly",
  ],
  "backend.released": [
    { type: "backend.released", ...ofEnvironment, backend_id: "b", details: { note: "it was off" } },
    "released backend `b`: it was off",
  ],
  "drain.started": [
    { type: "drain.started", ...ofEnvironment, details: { drain_id: "d", digest, live: 12 } },
    "began to drain `staging` of sha256:1234567890ab…: 12 backends",
  ],
  "drain.ended": [
    {
      type: "drain.ended",
      ...ofEnvironment,
      details: { drain_id: "d", digest, state: "drained", total: 12, ended: 12 },
    },
    "drained `staging` of sha256:1234567890ab…: 12 backends ended",
  ],
  "cluster.registered": [{ type: "cluster.registered", ...ofCluster }, "registered cluster `main`"],
  "cluster.changed": [
    { type: "cluster.changed", ...ofCluster, details: { ack: "async" } },
    "changed `ack` of cluster `main`",
  ],
  "cluster.deleted": [{ type: "cluster.deleted", ...ofCluster }, "deleted cluster `main`"],
  "cluster.drained": [
    { type: "cluster.drained", ...ofCluster },
    "began to drain cluster `main`: it takes no new backends",
  ],
  "cluster.undrained": [
    { type: "cluster.undrained", ...ofCluster },
    "ended the draining of cluster `main`: it takes new backends again",
  ],
  "cluster.lost": [
    { type: "cluster.lost", ...ofCluster },
    "lost cluster `main`: none of its agents is heard any more",
  ],
  "cluster.secret_rotated": [
    { type: "cluster.secret_rotated", ...ofCluster },
    "rotated the signing secret of cluster `main`",
  ],
  "token.created": [
    { type: "token.created", details: { ...token, role: "deploy" } },
    "created token `ci` with the role `deploy`",
  ],
  "token.revoked": [{ type: "token.revoked", details: token }, "revoked token `ci`"],
  "account.quotas_changed": [
    { type: "account.quotas_changed", details: { images: 5, tags: null } },
    "changed `images`, `tags` of the account's quotas",
  ],
  "session.created": [{ type: "session.created" }, "logged in"],
  "session.revoked": [{ type: "session.revoked" }, "ended a session"],
};

test("what pushes, backends and clusters do by the thousand is kept apart from what somebody changed", () => {
  const activity = eventTypes.filter((type) => eventKind({ type }) === "activity");
  expect(activity).toEqual([
    "candidate.added",
    "check.posted",
    "image.recorded",
    "backend.terminated",
    "cluster.drained",
    "cluster.undrained",
    "cluster.lost",
  ]);
  const kindOf = (kind: string) => eventKind({ type: "environment.pinned", details: { kind } });
  expect(revisionKinds.filter((kind) => kindOf(kind) === "activity")).toEqual(["push", "follow"]);
});

describe("the message of an event", () => {
  test.for(eventTypes)("`%s` is a sentence that names what was done and to what", (type) => {
    const [facts, message] = examples[type];
    expect(eventMessage(facts)).toBe(message);
  });

  test("of a pin to a digest names it once", () => {
    const details = { kind: "pin", image: digest, digest, revision: 1 } as const;
    const message = eventMessage({ type: "environment.pinned", ...ofEnvironment, details });
    expect(message).toBe("pinned `staging` to `sha256:1234567890ab…`");
  });

  test("of a push says which tag it was and what the environment moved to", () => {
    const details = { kind: "push", image: "v12", digest, revision: 4 } as const;
    const message = eventMessage({ type: "environment.pinned", ...ofEnvironment, details });
    expect(message).toBe("moved `staging` to sha256:1234567890ab… by a push of `v12`");
  });

  test.for([
    [1, "terminated 1 backend of service `hello` at once"],
    [12, "terminated 12 backends of service `hello` at once"],
  ] as const)("of many ends counts them: %i", ([count, message]) => {
    const details = { hard: true, count };
    expect(eventMessage({ type: "backend.terminated", ...ofService, details })).toBe(message);
  });

  test("of a drain says what it is of, and how far a cancelled one came", () => {
    const details = { drain_id: "d", live: 1 };
    const message = (more: object) =>
      eventMessage({ type: "drain.started", ...ofService, details: { ...details, ...more } });
    expect(message({ before_revision: 7 })).toBe(
      "began to drain service `hello` of what came before revision 7: 1 backend",
    );
    const before = "2026-11-23T09:00:00.000Z";
    expect(message({ before })).toBe(
      `began to drain service \`hello\` of what was started before ${before}: 1 backend`,
    );
    const cancelled = { drain_id: "d", digest, state: "cancelled", total: 3, ended: 1 } as const;
    expect(eventMessage({ type: "drain.ended", ...ofEnvironment, details: cancelled })).toBe(
      "cancelled the drain of `staging` of sha256:1234567890ab…: 1 of 3 had ended",
    );
    const one = { ...cancelled, state: "drained", total: 1 } as const;
    expect(eventMessage({ type: "drain.ended", ...ofService, details: one })).toMatch(/: 1 backend ended$/);
  });

  test("of an unset default environment says so", () => {
    const details = { default_environment: null };
    expect(eventMessage({ type: "service.changed", ...ofService, details })).toContain("took the default");
  });
});

const time = fc.integer({ min: 0, max: 2 ** 49 });
const random = fc.uint8Array({ minLength: eventIdRandomBytes, maxLength: eventIdRandomBytes });

describe("the id of an event", () => {
  test("sorts by its time, whatever is random in it", () => {
    fc.assert(
      fc.property(time, time, random, random, (a, b, first, second) => {
        fc.pre(a < b);
        expect(eventId(a, first) < eventId(b, second)).toBe(true);
      }),
    );
  });

  test("is of the form by which ids are known", () => {
    fc.assert(fc.property(time, random, (now, bytes) => eventIdPattern.test(eventId(now, bytes))));
  });
});

describe("a filter", () => {
  const event = { type: "environment.pinned", service: "hello", environment: "staging" } as const;

  test.for([
    [{}, true],
    [{ type: "environment.pinned", service: "hello", environment: "staging" }, true],
    [{ type: "image.recorded" }, false],
    [{ service: "other" }, false],
    [{ environment: "prod" }, false],
    [{ cluster: "main" }, false],
    [{ allowedEnvironments: ["staging"] }, true],
    [{ allowedEnvironments: ["prod"] }, false],
  ] as const)("%j lets a pin of `staging` pass: %s", ([filter, passes]) => {
    expect(matchesEvent(filter, event)).toBe(passes);
  });

  test.for(["staging", "prod", null])(
    "of a narrowed reader minds the default environment that a change names: %s",
    (named) => {
      const changed = {
        type: "service.changed",
        service: "hello",
        details: { default_environment: named },
      } as const;
      expect(matchesEvent({ allowedEnvironments: ["staging"] }, changed)).toBe(named !== "prod");
      expect(matchesEvent({}, changed)).toBe(true);
    },
  );

  test("of a narrowed reader lets pass what concerns no environment", () => {
    const recorded = { type: "image.recorded", service: "hello" } as const;
    expect(matchesEvent({ allowedEnvironments: ["prod"] }, recorded)).toBe(true);
  });
});

describe("the sentences of images", () => {
  test.for([
    ["v1", "v1"],
    [digest, "sha256:1234567890ab…"],
    ["sha256:1234567890ab", "sha256:1234567890ab"],
  ] as const)("name %s so that people can compare it: %s", ([image, shown]) => {
    const facts: EventFacts = { type: "image.deleted", ...ofService, details: { digest: image } };
    expect(eventMessage(facts)).toBe(`deleted image ${shown}`);
  });

  test("leave out a tag that there is not", () => {
    const facts: EventFacts = { type: "image.recorded", ...ofService, details: { digest } };
    expect(eventMessage(facts)).toMatch(/^recorded image \S+$/);
  });

  test("say of an artifact that it is one", () => {
    const details = { digest, tag: "sig", artifact_type: "application/spdx+json" };
    expect(eventMessage({ type: "image.recorded", ...ofService, details })).toMatch(
      /^recorded artifact \S+ as `sig`$/,
    );
  });
});

test.for([
  [{ cluster: "main" }, "main", true],
  [{ cluster: "main" }, "other", false],
  [{ cluster: "main" }, undefined, false],
  [{}, "main", true],
] as const)("the filter %j takes an event of the cluster %s: %s", ([filter, cluster, passes]) => {
  const event = { type: "cluster.changed", ...(cluster === undefined ? {} : { cluster }) } as const;
  expect(matchesEvent(filter, event)).toBe(passes);
});
