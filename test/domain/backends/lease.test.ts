import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type ClusterLists,
  clusterHealth,
  isDraining,
  isSettled,
  judgeHeartbeat,
  type KnownBackend,
  type ListingAgent,
  newlyListed,
  unlistedBackends,
} from "../../../src/domain/backends/lease.ts";
import { type BackendStatus, backendStatuses } from "../../../src/domain/backends/status.ts";
import {
  clusterLostAfterMs,
  heartbeatEveryMs,
  heartbeatVerdictWaitMs,
  leaseSeconds,
  startupTimeoutSeconds,
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
    agent: "one",
    ...extra,
  };
}

/** What a heartbeat is when its agent, `one`, is the only one. */
const alone: ClusterLists = {
  from: "one",
  elsewhere: [],
  alive: ["one"],
  watchedFrom: now - 3_600_000,
  unchangedSince: now - 3_600_000,
  fence: "lease",
};
const startupMs = startupTimeoutSeconds * 1000;

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
    /** Those of `lost` that certainly do not run. */
    proven?: string[];
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
      lists: { ...alone, elsewhere: ["a"] },
    },
    {
      title: "that misses what no agent lists has lost it where it was this agent's",
      says: [reported("b")],
      knows: [known("a"), known("b"), known("c")],
      lists: { ...alone, elsewhere: ["c"] },
      lost: ["a"],
    },
    {
      title: "misses nothing of another agent's that is alive, whether or not its list is known",
      says: [],
      knows: [known("a", { agent: "two" })],
      lists: { ...alone, alive: ["one", "two"] },
    },
    {
      title: "misses what was another agent's that is gone",
      says: [],
      knows: [known("a", { agent: "two" })],
      lost: ["a"],
      proven: [],
    },
    {
      title: "misses nothing of another agent's that may not have come back yet",
      says: [],
      knows: [known("a", { agent: "two" })],
      lists: { ...alone, watchedFrom: now - clusterLostAfterMs + 1 },
    },
    {
      title: "misses what was another agent's that has not come back for 60 s",
      says: [],
      knows: [known("a", { agent: "two" })],
      lists: { ...alone, watchedFrom: now - clusterLostAfterMs },
      lost: ["a"],
      proven: [],
    },
    {
      title: "misses nothing that no agent has listed yet, for the whole of a start-up",
      says: [],
      knows: [known("a", { agent: null, expectedAt: now - startupMs })],
    },
    {
      title: "misses what no agent has listed for longer than a start-up",
      says: [],
      knows: [known("a", { agent: null, expectedAt: now - startupMs - 1 })],
      lost: ["a"],
      proven: [],
    },
    {
      title: "misses nothing that no agent has listed, for the whole of a start-up since an agent began",
      says: [],
      knows: [known("a", { agent: null, expectedAt: 0 })],
      lists: { ...alone, unchangedSince: now - startupMs },
    },
    {
      title: "leaves what no agent has listed and is still starting to its own deadline",
      says: [],
      knows: [known("a", { agent: null, status: "waiting", expectedAt: 0 })],
    },
    {
      title: "of no agent, when another is gone, misses what was that one's and nothing else",
      says: [],
      knows: [known("a", { agent: "gone" }), known("b"), known("c", { agent: null })],
      lists: { ...alone, from: null },
      lost: ["a"],
      proven: [],
    },
    {
      title: "of no agent proves nothing of what no agent has listed",
      says: [],
      knows: [known("a", { agent: null, expectedAt: 0 })],
      lists: { ...alone, from: null },
      lost: ["a"],
      proven: [],
    },
    {
      title: "that lists what another agent lists too is left alone: no two can be right for long",
      says: [reported("a")],
      knows: [known("a")],
      lists: { ...alone, elsewhere: ["a"] },
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
  test.for(cases)("$title", ({ says, knows, lists = alone, terminate = [], unknown = [], ...ended }) => {
    const { lost = [], proven = lost } = ended;
    expect(judgeHeartbeat(says, knows, lists, now)).toEqual({ terminate, unknown, lost, proven });
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
      agent: fc.constantFrom(null, "one", "two", "three"),
    }),
    { selector: (each) => each.id },
  );
  const anyLists = fc.record({
    from: fc.constantFrom(null, "one", "two"),
    elsewhere: fc.subarray(["a", "b", "c", "d", "e"]),
    alive: fc.subarray(["one", "two", "three"]),
    watchedFrom: fc.integer({ min: now - 90_000, max: now }),
    unchangedSince: fc.integer({ min: now - 600_000, max: now }),
    fence: fc.constant("lease" as const),
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
        for (const { id, agent } of knows) {
          const isAliveElsewhere = agent !== null && agent !== lists.from && lists.alive.includes(agent);
          if (isAliveElsewhere) expect(verdict.lost).not.toContain(id);
        }
        for (const each of verdict.lost) expect(listed).not.toContain(each);
        for (const each of verdict.terminate) expect(listed).toContain(each);
        for (const each of verdict.unknown) expect(verdict.terminate).toContain(each);
        expect(new Set(verdict.terminate).size).toBe(verdict.terminate.length);
      }),
    );
  });
});

describe("a list", () => {
  const lists = { from: "one", elsewhere: ["b"] };
  test("shows whose a backend is that was nobody's, and one that another agent does not list any more", () => {
    const knows = [known("a", { agent: null }), known("c", { agent: "two" }), known("d")];
    const says = [reported("a"), reported("c"), reported("d")];
    expect(newlyListed(says, knows, lists)).toEqual(["a", "c"]);
  });

  test("takes nothing from an agent that lists it too", () => {
    expect(newlyListed([reported("b")], [known("b", { agent: "two" })], lists)).toEqual([]);
    expect(newlyListed([reported("b")], [known("b", { agent: null })], lists)).toEqual(["b"]);
  });
});

describe("agents of one cluster that begin in any order, beat at any time, and never lose a backend", () => {
  type Beat = { agent: number; atMs: number };
  const agents = 5;
  /** What runs, by its number: agent n mod 5 has it. Some of them no heartbeat has shown before. */
  const running = Array.from({ length: 20 }, (_, n) => ({ id: `b${n}`, agent: n % agents }));
  const beats = fc.array(fc.record({ agent: fc.nat(agents - 1), atMs: fc.nat(clusterLostAfterMs - 1) }), {
    maxLength: 40,
  });

  test("have none of them given up by another's heartbeat, whatever was known of them before", () => {
    fc.assert(
      fc.property(beats, fc.array(fc.boolean(), { minLength: 20, maxLength: 20 }), (drawn, wasListed) => {
        const known = new Map(
          running.map(({ id, agent }, n) => [
            id,
            {
              ...knownSince(id, now - 3_600_000),
              agent: wasListed[n] ? `agent-${agent}` : null,
            },
          ]),
        );
        const lists = new Map<string, string[]>();
        const inOrder = drawn.toSorted((one, two) => one.atMs - two.atMs);
        for (const { agent, atMs } of inOrder satisfies Beat[]) {
          const from = `agent-${agent}`;
          const says = running.filter((each) => each.agent === agent).map(({ id }) => reported(id));
          lists.set(
            from,
            says.map(({ id }) => id),
          );
          const seen = {
            from,
            elsewhere: [...lists].flatMap(([name, ids]) => (name === from ? [] : ids)),
            alive: [...lists.keys()],
            watchedFrom: now,
            unchangedSince: now,
            fence: "lease",
          } as const;
          expect(judgeHeartbeat(says, [...known.values()], seen, now + atMs).lost).toEqual([]);
          for (const id of newlyListed(says, [...known.values()], seen)) {
            const backend = known.get(id);
            if (backend) known.set(id, { ...backend, agent: from });
          }
        }
      }),
    );
  });

  function knownSince(id: string, expectedAt: number): KnownBackend {
    return known(id, { expectedAt, statusAt: expectedAt });
  }
});

function agent(agoMs: number, extra: Partial<ListingAgent> = {}): ListingAgent {
  const at = now - agoMs;
  return { id: "one", lastHeartbeatAt: at, silentSince: at, draining: false, listed: new Set(), ...extra };
}

describe("a backend that no agent has listed for longer than the lease", () => {
  const listing = new Set(["a"]);
  const cases: [
    title: string,
    agents: ListingAgent[],
    expectedForMs: number,
    isUnlisted: boolean,
    of?: { agent?: string | null; watchedForMs?: number; unchangedForMs?: number },
  ][] = [
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
      [agent(45_000, { listed: listing }), agent(0, { id: "two" })],
      300_000,
      true,
    ],
    ["is there while its agent has yet to send its list", [agent(5_000, { listed: null })], 300_000, false],
    [
      "is there while its agent is silent because the control plane was away",
      [agent(180_000, { listed: null, silentSince: now - 44_999 })],
      300_000,
      false,
      { watchedForMs: 44_999 },
    ],
    [
      "is there while its agent may not have come back yet",
      [agent(0, { id: "two" })],
      300_000,
      false,
      { watchedForMs: 44_999 },
    ],
    ["is there while it is younger than the lease", [agent(50_000)], 44_999, false],
    ["is unlisted once it is as old as the lease", [agent(50_000)], 45_000, true],
    ["is there while it may have come after its agent's last list", [agent(20_000)], 50_000, false],
    ["is unlisted where its agent's last list should have held it", [agent(20_000)], 50_001, true],
    ["is there while it is nobody's yet and agents report", [agent(0)], 300_000, false, { agent: null }],
    [
      "is unlisted where it was nobody's for longer than a start-up",
      [agent(0)],
      300_001,
      true,
      { agent: null },
    ],
    [
      "is there while it is nobody's and an agent has just begun",
      [agent(0)],
      400_000,
      false,
      { agent: null, unchangedForMs: 1_000 },
    ],
    [
      "is there while it is nobody's and an agent that may have it has yet to send its list",
      [agent(5_000, { listed: null })],
      400_000,
      false,
      { agent: null },
    ],
    ["is unlisted where it is nobody's and all are silent", [agent(45_000)], 50_000, true, { agent: null }],
  ];
  test.for(cases)("%s", ([, agents, expectedForMs, isUnlisted, of = {}]) => {
    const { agent: owner = "one", watchedForMs = 3_600_000, unchangedForMs = 3_600_000 } = of;
    const expected = [{ id: "a", status: "ready", agent: owner, expectedForMs } as const];
    const lists = { watchedFrom: now - watchedForMs, unchangedSince: now - unchangedForMs };
    expect(unlistedBackends(expected, agents, lists, now)).toEqual(isUnlisted ? ["a"] : []);
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
    ["whose agents are forgotten is silent before", now - 59_999, [], "silent"],
    [
      "silent for hours in which the control plane was away is silent",
      now - 3_600_000,
      [agent(3_600_000, { silentSince: now - 59_999 })],
      "silent",
    ],
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

describe("a listed backend need not be judged again", () => {
  const listed = { id: "a", status: "ready", fencing_token: 1 } as const;
  const known = { status: "ready", fencingToken: 1, delivered: true, agent: "one" } as const;
  const alone = { from: "one", isElsewhere: false };

  test("while it is the agent's that lists it", () => {
    expect(isSettled(listed, known, alone)).toBe(true);
    expect(isSettled(listed, { ...known, delivered: false }, alone)).toBe(false);
    expect(isSettled({ ...listed, fencing_token: 2 }, known, alone)).toBe(false);
    expect(isSettled(listed, { ...known, status: "hard-terminating" }, alone)).toBe(false);
    expect(isSettled(listed, undefined, alone)).toBe(false);
  });

  test("while it is another agent's that lists it too", () => {
    expect(isSettled(listed, known, { from: "other", isElsewhere: true })).toBe(true);
    expect(isSettled(listed, known, { from: "other", isElsewhere: false })).toBe(false);
    expect(isSettled(listed, { ...known, agent: null }, { from: "other", isElsewhere: true })).toBe(false);
  });
});
