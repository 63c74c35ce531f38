import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type BackendStatus, backendStatuses } from "../../src/domain/backend-status.ts";
import { isClusterLost, judgeHeartbeat, type KnownBackend } from "../../src/domain/lease.ts";
import { clusterLostAfterMs, heartbeatEveryMs, leaseSeconds } from "../../src/domain/limits.ts";

const now = 10_000_000;

function known(id: string, extra: Partial<KnownBackend> = {}): KnownBackend {
  return { id, status: "ready", fencingToken: 7, createdAt: now - 60_000, delivered: true, ...extra };
}

function reported(id: string, status: BackendStatus = "ready", fencing_token = 7) {
  return { id, status, fencing_token };
}

describe("a heartbeat", () => {
  const cases: {
    title: string;
    says: ReturnType<typeof reported>[];
    knows: KnownBackend[];
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
      knows: [known("a", { createdAt: now - 30_000 })],
    },
    {
      title: "that misses a backend older than 30 s has lost it",
      says: [],
      knows: [known("a", { createdAt: now - 30_001 })],
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
  ];
  test.for(cases)("$title", ({ says, knows, terminate = [], unknown = [], lost = [] }) => {
    expect(judgeHeartbeat(says, knows, now)).toEqual({ terminate, unknown, lost });
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
      createdAt: fc.integer({ min: now - 90_000, max: now }),
      delivered: fc.boolean(),
    }),
    { selector: (each) => each.id },
  );

  test("never asks to stop what should run, and leaves nothing running that should not", () => {
    fc.assert(
      fc.property(anyReported, anyKnown, (says, knows) => {
        const verdict = judgeHeartbeat(says, knows, now);
        for (const each of says) {
          const backend = knows.find((candidate) => candidate.id === each.id);
          const shouldRun = backend?.status !== "terminated" && backend?.fencingToken === each.fencing_token;
          expect(verdict.terminate.includes(each.id)).toBe(each.status !== "terminated" && !shouldRun);
        }
      }),
    );
  });

  test("never takes as lost what it lists, and stops nothing that it does not list", () => {
    fc.assert(
      fc.property(anyReported, anyKnown, (says, knows) => {
        const verdict = judgeHeartbeat(says, knows, now);
        const listed = says.map((each) => each.id);
        for (const each of verdict.lost) expect(listed).not.toContain(each);
        for (const each of verdict.terminate) expect(listed).toContain(each);
        for (const each of verdict.unknown) expect(verdict.terminate).toContain(each);
        expect(new Set(verdict.terminate).size).toBe(verdict.terminate.length);
      }),
    );
  });
});

describe("a cluster's lease", () => {
  test.for([
    ["one that never sent a heartbeat is not judged by them", null, false],
    ["one that was just heard of is there", now, false],
    ["one silent for a millisecond less than 60 s is there", now - 59_999, false],
    ["one silent for 60 s is lost", now - 60_000, true],
    ["one silent for long is lost", 0, true],
  ] as const)("%s", ([, lastHeartbeatAt, lost]) => {
    expect(isClusterLost(lastHeartbeatAt, now)).toBe(lost);
  });

  test("an agent fences itself before its cluster is declared lost, and may miss three heartbeats", () => {
    expect(leaseSeconds * 1000).toBeLessThan(clusterLostAfterMs);
    expect(leaseSeconds * 1000).toBeGreaterThan(3 * heartbeatEveryMs);
  });
});
