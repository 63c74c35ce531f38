import { describe, expect, test } from "vitest";
import type { ArmCounts } from "../../../src/domain/deploys/arm-counts.ts";
import { noCounts } from "../../../src/domain/deploys/arm-counts.ts";
import {
  areMet,
  type CheckState,
  defaultMinSamples,
  type GateEvidence,
  type GateResult,
  type Gates,
  gateText,
  judgeGates,
  type Upstream,
  upstreamFault,
} from "../../../src/domain/deploys/gates.ts";

const now = 1_000_000_000;

function upstream(environment: string, extra: Partial<Upstream> = {}): Upstream {
  return { environment, isOnDigest: true, since: now - 60_000, counts: noCounts, ...extra };
}

const counts = (extra: Partial<ArmCounts>): ArmCounts => ({ ...noCounts, ...extra });

function evidence(upstreams: Upstream[], checks: Record<string, CheckState> = {}): GateEvidence {
  return { upstreams, checks: new Map(Object.entries(checks)) };
}

const judge = (gates: Gates, of: GateEvidence) => judgeGates(gates, of, now);
const states = (gates: Gates, of: GateEvidence) => judge(gates, of).map(({ name, state }) => [name, state]);

describe("gates", () => {
  test("that ask for nothing are met", () => {
    expect(judge({}, evidence([]))).toEqual([]);
    expect(areMet([])).toBe(true);
  });

  test("take what is there: an upstream that resolves to the digest", () => {
    const gates = { from: ["staging", "qa"] };
    expect(judge(gates, evidence([upstream("staging"), upstream("qa", { isOnDigest: false })]))).toEqual([
      { name: "from", state: "passed", have: ["staging"], need: ["staging", "qa"], environment: "staging" },
    ]);
    expect(judge(gates, evidence([]))).toEqual([
      { name: "from", state: "failed", have: [], need: ["staging", "qa"], environment: "staging" },
    ]);
  });

  test.each([
    [4, "pending"],
    [5, "passed"],
    [6, "passed"],
  ])("of 5 that became ready with %d are %s", (ready, state) => {
    const gates = { from: ["staging"], min_ready: 5 };
    const of = evidence([upstream("staging", { counts: counts({ ready }) })]);
    expect(judge(gates, of)[1]).toEqual({
      name: "min_ready",
      state,
      have: ready,
      need: 5,
      environment: "staging",
    });
  });

  test.each([
    [{ ready: 9, failed: { exited: 1 } }, 10, "passed", 0.1],
    [{ ready: 8, failed: { exited: 2 } }, 10, "failed", 0.2],
    [{ ready: 9, failed: {}, crashed: 2 }, 9, "failed", 2 / 9],
    [{ ready: 8, failed: { exited: 1 } }, 10, "pending", 1 / 9],
    [{}, 1, "pending", null],
  ] as const)("of a share of 0.1 are judged by %j with at least %d samples: %s", (some, min, state, have) => {
    const gates = { from: ["staging"], max_failed_share: 0.1, min_samples: min };
    const of = evidence([upstream("staging", { counts: counts(some) })]);
    expect(judge(gates, of)[1]).toMatchObject({
      name: "max_failed_share",
      state,
      have,
      need: 0.1,
      minSamples: min,
    });
  });

  test("of a share wait for 20 samples, unless they say otherwise", () => {
    const gates = { from: ["staging"], max_failed_share: 0 };
    const judged = (ready: number) =>
      states(gates, evidence([upstream("staging", { counts: counts({ ready }) })]))[1];
    expect(defaultMinSamples).toBe(20);
    expect([judged(19), judged(20)]).toEqual([
      ["max_failed_share", "pending"],
      ["max_failed_share", "passed"],
    ]);
  });

  test("of a soak are met to the second, and say when", () => {
    const gates = { from: ["staging"], soak_seconds: 60 };
    const at = (since: number) => judge(gates, evidence([upstream("staging", { since })]))[1];
    expect(at(now - 60_000)).toEqual({
      name: "soak_seconds",
      state: "passed",
      have: 60,
      need: 60,
      environment: "staging",
    });
    expect(at(now - 59_999)).toMatchObject({ state: "pending", have: 59, passesAt: now + 1 });
    // A clock that went back.
    expect(at(now + 5_000)).toMatchObject({ state: "pending", have: 0, passesAt: now + 65_000 });
  });

  test("count nothing of an upstream that is not on the digest", () => {
    const gates = { from: ["staging"], min_ready: 1, max_failed_share: 1, min_samples: 1, soak_seconds: 1 };
    const gone = upstream("staging", { isOnDigest: false, since: 0, counts: counts({ ready: 50 }) });
    expect(judge(gates, evidence([gone]))).toMatchObject([
      { name: "from", state: "failed" },
      { name: "min_ready", state: "pending", have: 0 },
      { name: "max_failed_share", state: "pending", have: null, samples: 0 },
      { name: "soak_seconds", state: "pending", have: 0 },
    ]);
    expect(judge(gates, evidence([gone]))[3]).not.toHaveProperty("passesAt");
  });

  test.each([
    [{ a: "passed", b: "passed" }, "passed", ["a", "b"]],
    [{ a: "passed" }, "pending", ["a"]],
    [{ a: "passed", b: "pending" }, "pending", ["a"]],
    [{ a: "passed", b: "failed" }, "failed", ["a"]],
    [{ b: "failed" }, "failed", []],
    [{ other: "passed" }, "pending", []],
  ] as const)("of the checks a and b, with %j, are %s", (checks, state, have) => {
    expect(judge({ checks: ["a", "b"] }, evidence([], checks))).toEqual([
      { name: "checks", state, have, need: ["a", "b"] },
    ]);
  });

  describe("of several upstreams", () => {
    const ready = upstream("qa", { counts: counts({ ready: 5 }) });
    const behind = upstream("staging", { counts: counts({ ready: 1 }) });
    const gates = { from: ["staging", "qa"], min_ready: 3 };

    test("are judged by the one that comes nearest, where any will do", () => {
      expect(judge(gates, evidence([behind, ready]))).toMatchObject([
        { state: "passed", have: ["staging", "qa"] },
        { state: "passed", environment: "qa" },
      ]);
      expect(judge({ ...gates, match: "any" }, evidence([behind]))).toMatchObject([
        { state: "passed", have: ["staging"] },
        { state: "pending", environment: "staging" },
      ]);
    });

    test("are not put together of several: one has to meet all of them", () => {
      const soaked = upstream("staging", { since: 0 });
      const fresh = upstream("qa", { since: now, counts: counts({ ready: 9 }) });
      const both = { ...gates, soak_seconds: 60 };
      expect(areMet(judge(both, evidence([soaked, fresh])))).toBe(false);
    });

    test("prefer one that waits to one that is not there", () => {
      const elsewhere = upstream("staging", { isOnDigest: false });
      expect(judge(gates, evidence([elsewhere, upstream("qa")]))).toMatchObject([
        { state: "passed", have: ["qa"], environment: "qa" },
        { state: "pending", environment: "qa" },
      ]);
    });

    test("are each judged by the one that is the furthest from it, where all have to", () => {
      expect(judge({ ...gates, match: "all" }, evidence([behind, ready]))).toMatchObject([
        { state: "passed", have: ["staging", "qa"] },
        { state: "pending", environment: "staging", have: 1 },
      ]);
      expect(states({ ...gates, match: "all" }, evidence([ready]))).toEqual([
        ["from", "failed"],
        ["min_ready", "pending"],
      ]);
    });
  });

  test("are met only if each is passed", () => {
    const passed: GateResult = { name: "checks", state: "passed", have: [], need: [] };
    expect(areMet([passed, passed])).toBe(true);
    expect(areMet([passed, { ...passed, state: "pending" }])).toBe(false);
    expect(areMet([passed, { ...passed, state: "failed" }])).toBe(false);
  });
});

describe("upstreams", () => {
  const environments: Record<string, string[]> = {
    dev: [],
    staging: ["dev"],
    qa: ["dev"],
    prod: ["staging"],
  };
  const fault = (environment: string, from: string[], of = environments) =>
    upstreamFault(environment, from, (name) => of[name]);

  test("may meet again", () => {
    expect(fault("prod", ["staging", "qa"])).toBe(null);
    expect(fault("new", ["prod"])).toBe(null);
  });

  test("exist", () => {
    expect(fault("prod", ["staging", "gone"])).toBe(
      "`gates.from` names the environment `gone`, which this service does not have",
    );
    // One that was deleted since is no fault of who names its follower.
    expect(fault("new", ["prod"], { prod: ["gone"] })).toBe(null);
  });

  test("lead in no circle, however long", () => {
    expect(fault("prod", ["prod"])).toBe("`gates.from` leads in a circle: `prod` from `prod`");
    expect(fault("dev", ["prod"])).toBe(
      "`gates.from` leads in a circle: `dev` from `staging` from `prod` from `dev`",
    );
    // A circle beside it ends as well.
    expect(fault("new", ["a"], { a: ["b"], b: ["a"] })).toBe(null);
  });
});

test("a gate is read as a sentence", () => {
  const staging = { environment: "staging" } as const;
  const gates: GateResult[] = [
    { name: "from", state: "failed", have: [], need: ["staging", "qa"] },
    { name: "min_ready", state: "pending", have: 3, need: 20, ...staging },
    { name: "soak_seconds", state: "pending", have: 5, need: 60, ...staging },
    {
      name: "max_failed_share",
      state: "failed",
      have: 0.25,
      need: 0.1,
      samples: 8,
      minSamples: 5,
      ...staging,
    },
    { name: "max_failed_share", state: "pending", have: null, need: 0.1, samples: 0, minSamples: 5 },
    { name: "checks", state: "pending", have: [], need: ["e2e"] },
    { name: "checks", state: "failed", have: ["e2e"], need: ["e2e", "scan"] },
  ];
  expect(gates.map(gateText)).toEqual([
    "from: none of `staging`, `qa` resolves to it (failed)",
    "min_ready: 3 of 20 in `staging` (pending)",
    "soak_seconds: 5 s of 60 s in `staging` (pending)",
    "max_failed_share: 25.0 % failed of 8 sessions in `staging`, at most 10 % of at least 5 (failed)",
    "max_failed_share: nothing known of 0 sessions, at most 10 % of at least 5 (pending)",
    "checks: none of `e2e` (pending)",
    "checks: `e2e` of `e2e`, `scan` (failed)",
  ]);
});
