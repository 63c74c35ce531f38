import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type ClusterLists,
  clusterHealth,
  isDraining,
  judgeHeartbeat,
  type KnownBackend,
  type ListingAgent,
  oldestListMs,
  unlistedBackends,
} from "../../../src/domain/backends/lease.ts";
import { type BackendStatus, backendStatuses } from "../../../src/domain/backends/status.ts";
import {
  clusterLostAfterMs,
  heartbeatEveryMs,
  heartbeatVerdictWaitMs,
  leaseSeconds,
  webhookAttemptTimeoutMs,
} from "../../../src/domain/limits.ts";

const now = 10_000_000;

function known(id: string, extra: Partial<KnownBackend> = {}): KnownBackend {
  return {
    id,
    status: "ready",
    statusAt: now - 60_000,
    fencingToken: 7,
    expectedAt: now - 60_000,
    delivered: true,
    ...extra,
  };
}

/** What a heartbeat is when its agent is the only one. */
const alone: ClusterLists = { elsewhere: [], oldestMs: 0 };

function reported(id: string, status: BackendStatus = "ready", fencing_token = 7) {
  return { id, status, fencing_token };
}

describe("a heartbeat", () => {
  const cases: {
    title: string;
    says: ReturnType<typeof reported>[];
    knows: KnownBackend[];
    lists?: ClusterLists;
    terminate?: string[];
    unknown?: string[];
    lost?: string[];
  }[] = [
    { title: "that agrees asks for nothing", says: [reported("a")], knows: [known("a")] },
    { title: "of an idle cluster asks for nothing", says: [], knows: [] },
    {
      title: "that lists a backend unknown here has it stopped",
      says: [reported("x")],
      knows: [],
      terminate: ["x"],
      unknown: ["x"],
    },
    {
      title: "that lists a backend ended here has it stopped",
      says: [reported("a")],
      knows: [known("a", { status: "terminated" })],
      terminate: ["a"],
    },
    {
      title: "that lists a backend under another fencing token has it stopped",
      says: [reported("a", "ready", 6)],
      knows: [known("a")],
      terminate: ["a"],
    },
    {
      title: "that lists an unknown backend as terminated is left alone",
      says: [reported("x", "terminated")],
      knows: [],
    },
    {
      title: "that lists a backend that is ending lets it end",
      says: [reported("a", "terminating")],
      knows: [known("a", { status: "terminating" })],
    },
    {
      title: "that misses a long acknowledged backend has lost it",
      says: [],
      knows: [known("a")],
      lost: ["a"],
    },
    {
      title: "that misses a backend that is ending has lost it too",
      says: [],
      knows: [known("a", { status: "terminating" })],
      lost: ["a"],
    },
    {
      title: "that misses a backend of 30 s has not lost it yet",
      says: [],
      knows: [known("a", { expectedAt: now - 30_000 })],
    },
    {
      title: "that misses a backend older than 30 s has lost it",
      says: [],
      knows: [known("a", { expectedAt: now - 30_001 })],
      lost: ["a"],
    },
    {
      title: "that misses a backend whose spawn was never acknowledged leaves it to redelivery",
      says: [],
      knows: [known("a", { delivered: false })],
    },
    {
      title: "that misses an ended backend is right",
      says: [],
      knows: [known("a", { status: "terminated" })],
    },
    {
      title: "that lists a backend as terminated has not lost it: the report of its end is on its way",
      says: [reported("a", "terminated")],
      knows: [known("a")],
    },
    {
      title: "that misses what another agent lists has lost nothing",
      says: [],
      knows: [known("a")],
      lists: { elsewhere: ["a"], oldestMs: 0 },
    },
    {
      title: "that misses what no agent lists has lost it",
      says: [reported("b")],
      knows: [known("a"), known("b"), known("c")],
      lists: { elsewhere: ["c"], oldestMs: 0 },
      lost: ["a"],
    },
    {
      title: "reports nothing missing while another agent has yet to send its list",
      says: [],
      knows: [known("a")],
      lists: { elsewhere: [], oldestMs: null },
    },
    {
      title: "does not miss what may have come after the last list of another agent",
      says: [],
      knows: [known("a", { expectedAt: now - 59_000 })],
      lists: { elsewhere: [], oldestMs: 29_000 },
    },
    {
      title: "misses what the last list of every other agent should have held",
      says: [],
      knows: [known("a", { expectedAt: now - 59_001 })],
      lists: { elsewhere: [], oldestMs: 29_000 },
      lost: ["a"],
    },
    {
      title: "that lists what another agent lists too is left alone: no two can be right for long",
      says: [reported("a")],
      knows: [known("a")],
      lists: { elsewhere: ["a"], oldestMs: 0 },
    },
    {
      title: "that lists as running what was to end hard 30 s ago has it stopped",
      says: [reported("a")],
      knows: [known("a", { status: "hard-terminating", statusAt: now - 30_000 })],
      terminate: ["a"],
    },
    {
      title: "that lists as running what was just to end hard leaves it to the webhook",
      says: [reported("a")],
      knows: [known("a", { status: "hard-terminating", statusAt: now - 29_999 })],
    },
    {
      title: "that lists as ending hard what is to end hard is left alone",
      says: [reported("a", "hard-terminating")],
      knows: [known("a", { status: "hard-terminating" })],
    },
    {
      title: "that lists as running what is to end softly leaves it its grace",
      says: [reported("a")],
      knows: [known("a", { status: "terminating" })],
    },
  ];
  test.for(cases)("$title", ({ says, knows, lists = alone, terminate = [], unknown = [], lost = [] }) => {
    expect(judgeHeartbeat(says, knows, lists, now)).toEqual({ terminate, unknown, lost });
  });

  const id = fc.constantFrom("a", "b", "c", "d", "e");
  const status = fc.constantFrom(...backendStatuses);
  const anyReported = fc.uniqueArray(
    fc.record({ id, status, fencing_token: fc.integer({ min: 1, max: 3 }) }),
    { selector: (each) => each.id },
  );
  const anyKnown = fc.uniqueArray(
    fc.record({
      id,
      status,
      fencingToken: fc.integer({ min: 1, max: 3 }),
      statusAt: fc.integer({ min: now - 90_000, max: now }),
      expectedAt: fc.integer({ min: now - 90_000, max: now }),
      delivered: fc.boolean(),
    }),
    { selector: (each) => each.id },
  );
  const anyLists = fc.record({
    elsewhere: fc.subarray(["a", "b", "c", "d", "e"]),
    oldestMs: fc.option(fc.integer({ min: 0, max: clusterLostAfterMs })),
  });

  test("never requests to stop what should run, and leaves nothing running that should not", () => {
    fc.assert(
      fc.property(anyReported, anyKnown, anyLists, (says, knows, lists) => {
        const verdict = judgeHeartbeat(says, knows, lists, now);
        for (const each of says) {
          const backend = knows.find((candidate) => candidate.id === each.id);
          const isUnheeded =
            backend?.status === "hard-terminating" &&
            each.status !== "hard-terminating" &&
            now - backend.statusAt >= 30_000;
          const shouldRun =
            backend?.status !== "terminated" && backend?.fencingToken === each.fencing_token && !isUnheeded;
          expect(verdict.terminate.includes(each.id)).toBe(each.status !== "terminated" && !shouldRun);
        }
      }),
    );
  });

  test("never takes as lost what it lists, and stops nothing that it does not list", () => {
    fc.assert(
      fc.property(anyReported, anyKnown, anyLists, (says, knows, lists) => {
        const verdict = judgeHeartbeat(says, knows, lists, now);
        const listed = says.map((each) => each.id);
        for (const each of verdict.lost) expect(lists.elsewhere).not.toContain(each);
        if (lists.oldestMs === null) expect(verdict.lost).toEqual([]);
        for (const each of verdict.lost) expect(listed).not.toContain(each);
        for (const each of verdict.terminate) expect(listed).toContain(each);
        for (const each of verdict.unknown) expect(verdict.terminate).toContain(each);
        expect(new Set(verdict.terminate).size).toBe(verdict.terminate.length);
      }),
    );
  });
});

function agent(agoMs: number, extra: Partial<ListingAgent> = {}): ListingAgent {
  return { lastHeartbeatAt: now - agoMs, draining: false, listed: new Set(), ...extra };
}

describe("the lists of a cluster's agents", () => {
  test("are as old as the oldest of them", () => {
    expect(oldestListMs([agent(9_000), agent(40_000), agent(0)], now)).toBe(40_000);
    expect(oldestListMs([], now)).toBe(0);
  });

  test("say nothing together while one of them is unknown", () => {
    expect(oldestListMs([agent(9_000), agent(1_000, { listed: null })], now)).toBeNull();
  });
});

describe("a backend that no agent has listed for longer than the lease", () => {
  const expected = (expectedForMs = 300_000) => [{ id: "a", expectedForMs }];
  const listing = new Set(["a"]);
  const cases: [title: string, agents: ListingAgent[], expectedForMs: number, isUnlisted: boolean][] = [
    [
      "is there while the agent that lists it holds its lease",
      [agent(44_999, { listed: listing })],
      300_000,
      false,
    ],
    [
      "is unlisted from when the lease of its agent ends",
      [agent(45_000, { listed: listing })],
      300_000,
      true,
    ],
    [
      "is unlisted where all agents are silent and their lists unknown",
      [agent(45_000, { listed: null })],
      300_000,
      true,
    ],
    ["is unlisted where no agent is left", [], 300_000, true],
    [
      "is unlisted although another agent sends heartbeats, which does not list it",
      [agent(45_000, { listed: listing }), agent(0)],
      300_000,
      true,
    ],
    [
      "is there while an agent that may have it has yet to send its list",
      [agent(5_000, { listed: null })],
      300_000,
      false,
    ],
    ["is there while it is younger than the lease", [agent(50_000)], 44_999, false],
    ["is unlisted once it is as old as the lease", [agent(50_000)], 45_000, true],
    ["is there while it may have come after the last list", [agent(20_000)], 50_000, false],
    ["is unlisted where the last list should have held it", [agent(20_000)], 50_001, true],
  ];
  test.for(cases)("%s", ([, agents, expectedForMs, isUnlisted]) => {
    expect(unlistedBackends(expected(expectedForMs), agents, now)).toEqual(isUnlisted ? ["a"] : []);
  });
});

describe("a cluster", () => {
  const draining = (agoMs: number) => agent(agoMs, { draining: true });
  const drains: [title: string, agents: ListingAgent[], isDraining: boolean][] = [
    ["whose only agent drains is draining", [draining(0)], true],
    ["whose agents all drain is draining", [draining(0), draining(50_000)], true],
    ["with one agent that does not drain is not", [draining(0), agent(59_999)], false],
    ["is draining where the agent that does not was silent for 60 s", [draining(0), agent(60_000)], true],
    ["whose draining agent was silent for 60 s is not: it is lost", [draining(60_000)], false],
    ["without agents is not", [], false],
  ];
  test.for(drains)("%s", ([, agents, expected]) => {
    expect(isDraining(agents, now)).toBe(expected);
  });

  test.for([
    ["that never sent a heartbeat is unknown", null, [], "unknown"],
    ["that has just sent a heartbeat is healthy", now, [agent(0)], "healthy"],
    ["silent for a millisecond less than 45 s is healthy", now - 44_999, [agent(44_999)], "healthy"],
    ["silent for 45 s is silent", now - 45_000, [agent(45_000)], "silent"],
    ["that drained before it fell silent is silent", now - 45_000, [draining(45_000)], "silent"],
    ["silent for a millisecond less than 60 s is silent", now - 59_999, [agent(59_999)], "silent"],
    ["silent for 60 s is lost", now - 60_000, [agent(60_000)], "lost"],
    ["whose agents are forgotten is lost", 0, [], "lost"],
    ["whose agents all drain is draining", now, [draining(0)], "draining"],
  ] as const)("%s", ([, lastHeartbeatAt, agents, health]) => {
    expect(clusterHealth(lastHeartbeatAt, agents, now)).toBe(health);
  });

  test("is given up after its agents have fenced themselves, who may miss three heartbeats", () => {
    expect(leaseSeconds * 1000).toBeLessThan(clusterLostAfterMs);
    expect(leaseSeconds * 1000).toBeGreaterThan(3 * heartbeatEveryMs);
  });

  test("has its heartbeats answered before its agent gives them up, with all that is waited for in turn", () => {
    // The directory and the list of services are called at once, then the services.
    expect(2 * heartbeatVerdictWaitMs).toBeLessThan(webhookAttemptTimeoutMs);
  });
});
