import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { BackendStatus } from "../../../src/domain/backends/status.ts";
import {
  type DrainBackend,
  type DrainPlan,
  type DrainScope,
  drainPace,
  isInScope,
  isLeft,
  isMeant,
  nextDrainStep,
  surveyDrain,
} from "../../../src/domain/deploys/drain.ts";
import { Lifetimes } from "../../../src/domain/deploys/lifetimes.ts";
import {
  drainHeldUpShown,
  drainLooksEveryMs,
  drainRateMax,
  lifetimesKept,
  softTerminationGraceSeconds,
} from "../../../src/domain/limits.ts";

const graceMs = softTerminationGraceSeconds * 1000;
const minute = 60_000;

function backend(n: number, change: Partial<DrainBackend> = {}): DrainBackend {
  return {
    id: `b${n}`,
    environment: "prod",
    cluster: "main",
    key: `key-${n}`,
    digest: "old",
    fencing_token: n,
    created_at: n,
    status: "ready",
    held_at: null,
    ...change,
  };
}

const nothingKept = { keys: new Set<string>(), backends: new Set<string>() };
const ofOld: DrainScope = {
  environments: ["prod"],
  digest: "old",
  createdBefore: null,
  lastFencingToken: 10,
  keep: nothingKept,
};
const resolves = (environment: string) => (environment === "prod" ? "new" : undefined);

const idlePlan: DrainPlan = { ratePerMinute: 60, nextAt: 0, endsUsedAt: null };
const facts = { now: 1000, isIdle: () => false, pending: new Map<string, number>() };
const none = { now: 1000, isIdle: () => false, lifetimeIn: () => null };

describe("what a drain means", () => {
  test.for<[what: string, scope: Partial<DrainScope>, change: Partial<DrainBackend>, meant: boolean]>([
    ["what runs the digest", {}, {}, true],
    ["what is on its way", {}, { status: "scheduled" }, true],
    ["what is ending", {}, { status: "hard-terminating" }, true],
    ["what nobody has seen to end", {}, { held_at: 5, status: "terminating" }, true],
    ["what has ended", {}, { status: "terminated" }, false],
    ["what runs another digest", {}, { digest: "other" }, false],
    ["what runs in another environment", {}, { environment: "staging" }, false],
    ["any environment", { environments: null }, { environment: "staging" }, true],
    ["what was decided after it began", {}, { fencing_token: 11 }, false],
    ["what was decided last before it began", {}, { fencing_token: 10 }, true],
    ["what was created before a time", { digest: null, createdBefore: 2 }, { created_at: 1 }, true],
    ["what was created at that time", { digest: null, createdBefore: 2 }, { created_at: 2 }, false],
    ["what its environment runs now", { digest: null }, { digest: "new" }, false],
    ["anything else", { digest: null }, { digest: "other" }, true],
  ])("%s", ([, scope, change, meant]) => {
    expect(isMeant({ ...ofOld, ...scope }, backend(1, change), resolves)).toBe(meant);
  });

  test("is not what it is told to leave, though it is about that", () => {
    const keep = { keys: new Set(["key-1"]), backends: new Set(["b2"]) };
    const scope = { ...ofOld, keep };
    for (const kept of [backend(1), backend(2), backend(2, { key: null })]) {
      expect([isMeant(scope, kept, resolves), isLeft(scope, kept)]).toEqual([false, true]);
      expect(isInScope(scope, kept, resolves)).toBe(true);
    }
    expect(isMeant(scope, backend(3), resolves)).toBe(true);
    expect(isMeant(scope, backend(3, { key: null }), resolves)).toBe(true);
  });
});

describe("the rate of a drain", () => {
  const rate = fc.integer({ min: 1, max: drainRateMax });

  test("is kept in every minute, wherever it begins, and is nearly used", () => {
    fc.assert(
      fc.property(rate, (ratePerMinute) => {
        const { atOnce, everyMs } = drainPace(ratePerMinute);
        const mostInAMinute = Math.ceil(minute / everyMs) * atOnce;
        expect(mostInAMinute).toBeLessThanOrEqual(ratePerMinute);
        expect((minute / everyMs) * atOnce).toBeGreaterThan(ratePerMinute * 0.95);
      }),
      { examples: [[1], [60], [61], [119], [155], [drainRateMax]] },
    );
  });

  test("needs an alarm a second at most, or two", () => {
    fc.assert(fc.property(rate, (ratePerMinute) => drainPace(ratePerMinute).everyMs >= 500));
  });

  test("is no more after an absence", () => {
    const many = Array.from({ length: 500 }, (_, i) => backend(i));
    const late = { ...facts, now: 60 * minute };
    expect(nextDrainStep(many, { ...idlePlan, nextAt: minute }, late)).toEqual({
      ends: ["b0"],
      nextAt: late.now + 1000,
      lookAt: late.now + 1000,
    });
  });

  test("ends all that it means, oldest first, each once, whatever the clock does between", () => {
    const gaps = fc.array(fc.integer({ min: 0, max: 3000 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(rate, gaps, fc.integer({ min: 1, max: 300 }), (ratePerMinute, late, count) => {
        const backends = Array.from({ length: count }, (_, i) => backend(i));
        const ended: { id: string; at: number }[] = [];
        let plan = { ...idlePlan, ratePerMinute };
        let now = 0;
        for (let i = 0; ended.length < count; i++) {
          const left = backends.slice(ended.length);
          const step = nextDrainStep(left, plan, { ...facts, now });
          ended.push(...step.ends.map((id) => ({ id, at: now })));
          plan = { ...plan, nextAt: step.nextAt };
          now = Math.max(now, step.lookAt ?? now) + (late[i % late.length] ?? 0);
        }
        expect(ended.map(({ id }) => id)).toEqual(backends.map(({ id }) => id));
        for (const { at } of ended) {
          const inMinute = ended.filter((other) => other.at >= at && other.at < at + minute);
          expect(inMinute.length).toBeLessThanOrEqual(ratePerMinute);
        }
      }),
      { numRuns: 50 },
    );
  });
});

describe("the next step of a drain", () => {
  const keyless = backend(2, { key: null });

  test("ends what has a key, in use or not", () => {
    expect(nextDrainStep([backend(1)], idlePlan, facts)).toEqual({
      ends: ["b1"],
      nextAt: 2000,
      lookAt: null,
    });
  });

  test("ends what has none once it is idle, and looks for that again and again", () => {
    expect(nextDrainStep([keyless], idlePlan, facts)).toEqual({
      ends: [],
      nextAt: 0,
      lookAt: 1000 + drainLooksEveryMs,
    });
    expect(nextDrainStep([keyless], idlePlan, { ...facts, isIdle: () => true }).ends).toEqual(["b2"]);
  });

  test("ends it in the end where it is to, and looks by then", () => {
    const plan = { ...idlePlan, endsUsedAt: 4000 };
    expect(nextDrainStep([keyless], plan, facts)).toMatchObject({ ends: [], lookAt: 4000 });
    expect(nextDrainStep([keyless], plan, { ...facts, now: 3999 }).ends).toEqual([]);
    expect(nextDrainStep([keyless], plan, { ...facts, now: 4000 }).ends).toEqual(["b2"]);
  });

  test("waits for its moment", () => {
    expect(nextDrainStep([backend(1)], { ...idlePlan, nextAt: 1001 }, facts)).toEqual({
      ends: [],
      nextAt: 1001,
      lookAt: 1001,
    });
  });

  test("comes at its moment, and then no sooner than the rate has it", () => {
    const slow = { ...idlePlan, ratePerMinute: 1, nextAt: facts.now };
    const two = [backend(1), backend(2)];
    expect(nextDrainStep(two, slow, facts)).toEqual({ ends: ["b1"], nextAt: 61_000, lookAt: 61_000 });
  });

  test("is of one rate for all clusters", () => {
    const two = [backend(1), backend(2, { cluster: "other" })];
    expect(nextDrainStep(two, idlePlan, facts).ends).toEqual(["b1"]);
  });

  test.for<BackendStatus>(["terminating", "hard-terminating"])("leaves alone what is %s", (status) => {
    const ending = [backend(1, { status }), backend(2, { status, key: null, held_at: 4 })];
    expect(nextDrainStep(ending, idlePlan, { ...facts, isIdle: () => true })).toEqual({
      ends: [],
      nextAt: 0,
      lookAt: null,
    });
    const later = { ...idlePlan, nextAt: facts.now + 1 };
    expect(nextDrainStep(ending, later, facts).lookAt).toBeNull();
  });

  test("sends a cluster no more while it has not received what came before, and others theirs", () => {
    const two = [backend(1), backend(2, { cluster: "other" })];
    const pending = new Map([["main", 1]]);
    expect(nextDrainStep(two, idlePlan, { ...facts, pending }).ends).toEqual(["b2"]);
    const stuck = nextDrainStep([backend(1)], { ...idlePlan, ratePerMinute: 1 }, { ...facts, pending });
    expect(stuck).toEqual({ ends: [], nextAt: 0, lookAt: 1000 + drainLooksEveryMs });
    const quick = { ...idlePlan, ratePerMinute: 180 };
    const five = [1, 2, 3, 4, 5].map((n) => backend(n));
    expect(nextDrainStep(five, quick, { ...facts, pending }).ends).toEqual(["b1", "b2"]);
  });
});

describe("how a drain stands", () => {
  const keyless = (n: number) => backend(n, { key: null });

  test("has nothing to say of what is over", () => {
    const over = { live: 0, oldestStartedAt: null, heldUpBy: { count: 0, backends: [] }, eta: null };
    expect(surveyDrain([], idlePlan, none)).toEqual(over);
  });

  test("is expected to end by its rate, and the grace of the last", () => {
    const five = [1, 2, 3, 4, 5].map((n) => backend(n));
    const plan = { ...idlePlan, nextAt: 1500 };
    expect(surveyDrain(five, plan, none)).toEqual({
      live: 5,
      oldestStartedAt: 1,
      heldUpBy: { count: 0, backends: [] },
      eta: 1500 + 4000 + graceMs,
    });
    const quick = surveyDrain(five, { ...plan, ratePerMinute: 300 }, none);
    expect(quick.eta).toBe(1500 + graceMs);
    const ending = five.map((each) => ({ ...each, status: "terminating" as const }));
    expect(surveyDrain(ending, plan, none).eta).toBe(1000 + graceMs);
  });

  test("shows what holds it up: what is in use without a key, and what nobody has seen to end", () => {
    const held = backend(3, { held_at: 7, status: "terminating" });
    expect(surveyDrain([keyless(1), backend(2), held], idlePlan, none)).toMatchObject({
      live: 3,
      heldUpBy: { count: 2, backends: ["b3", "b1"] },
      eta: null,
    });
    const known = { ...none, lifetimeIn: () => 5_000 };
    expect(surveyDrain([backend(2), held], idlePlan, known).eta).toBeNull();
    const many = Array.from({ length: 50 }, (_, i) => keyless(i));
    const { count, backends } = surveyDrain(many, idlePlan, none).heldUpBy;
    expect([count, backends.length]).toEqual([50, drainHeldUpShown]);
    expect(surveyDrain([keyless(1)], idlePlan, { ...none, isIdle: () => true }).heldUpBy.count).toBe(0);
  });

  test("is expected to end when sessions in use have lived as long as others did there, if that is known", () => {
    const used = [keyless(5_000), keyless(9_000)];
    const lived = { ...none, now: 10_000, lifetimeIn: (name: string) => (name === "prod" ? 6_000 : null) };
    expect(surveyDrain(used, idlePlan, lived).eta).toBe(15_000 + graceMs);
    expect(surveyDrain(used, idlePlan, { ...lived, now: 20_000 }).eta).toBe(21_000 + graceMs);
    const elsewhere = [...used, backend(1, { key: null, environment: "staging" })];
    expect(surveyDrain(elsewhere, idlePlan, lived).eta).toBeNull();
  });

  test("is expected to end no later than what is in use is ended", () => {
    const plan = { ...idlePlan, endsUsedAt: 12_000 };
    const lived = { ...none, now: 10_000, lifetimeIn: () => 90_000 };
    expect(surveyDrain([keyless(5_000)], plan, lived).eta).toBe(12_000 + graceMs);
    expect(surveyDrain([keyless(5_000)], plan, { ...none, now: 10_000 }).eta).toBe(12_000 + graceMs);
  });
});

describe("how long sessions live in an environment", () => {
  test("is what nine in ten of the last did not outlive; nothing, where none was seen to end", () => {
    const lifetimes = new Lifetimes();
    expect(lifetimes.in("prod")).toBeNull();
    for (let i = 10; i >= 1; i--) lifetimes.ended("prod", i);
    expect([lifetimes.in("prod"), lifetimes.in("staging")]).toEqual([9, null]);
    for (let i = 0; i < lifetimesKept; i++) lifetimes.ended("prod", 100);
    expect(lifetimes.in("prod")).toBe(100);
    for (let i = 0; i < lifetimesKept; i++) lifetimes.ended("prod", 3);
    expect(lifetimes.in("prod")).toBe(3);
    lifetimes.ended("once", -5);
    expect(lifetimes.in("once")).toBe(0);
  });
});
