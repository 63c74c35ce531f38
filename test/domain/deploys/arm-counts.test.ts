import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type ArmCounts,
  addCounts,
  failedShareOf,
  failureKinds,
  failuresOf,
  noCounts,
  samplesOf,
} from "../../../src/domain/deploys/arm-counts.ts";

const few = fc.nat({ max: 50 });
const failed = fc.dictionary(fc.constantFrom(...failureKinds), few);

/** What an arm's sessions can come to: each is counted once. */
const counts: fc.Arbitrary<ArmCounts> = fc
  .record({ unknown: few, crashed: few, stayed: few, failed })
  .map(({ unknown, crashed, stayed, failed }) => {
    const ready = crashed + stayed;
    const failures = Object.values(failed).reduce((total, count) => total + count, 0);
    return { started: unknown + ready + failures, ready, failed, crashed };
  });

describe("the samples of an arm", () => {
  test.for([
    ["nothing", noCounts, 0, 0],
    ["sessions without an outcome", { ...noCounts, started: 9 }, 0, 0],
    ["one that became ready", { started: 1, ready: 1, failed: {}, crashed: 0 }, 1, 0],
    ["one that crashed after it was ready", { started: 1, ready: 1, failed: {}, crashed: 1 }, 1, 1],
    ["one that failed before", { started: 1, ready: 0, failed: { exited: 1 }, crashed: 0 }, 1, 1],
    [
      "failures of every kind",
      {
        started: 20,
        ready: 10,
        failed: { startup_timeout: 1, internal_error: 2, exited: 3 },
        crashed: 2,
      },
      16,
      0.5,
    ],
  ] as const)("of %s", ([, arm, samples, share]) => {
    expect(samplesOf(arm)).toBe(samples);
    expect(failedShareOf(arm)).toBe(share);
  });

  test("are the sessions without those that have no outcome yet", () => {
    fc.assert(
      fc.property(counts, few, (arm, more) => {
        expect(samplesOf({ ...arm, ready: arm.ready + more })).toBe(samplesOf(arm) + more);
        expect(samplesOf(arm)).toBeLessThanOrEqual(arm.started);
      }),
    );
  });
});

test("a share of failures grows by what is lost of those that became ready, and is never above 1", () => {
  fc.assert(
    fc.property(counts, fc.double({ min: 0, max: 1, noNaN: true }), (arm, kept) => {
      const rest = { ...arm, ready: Math.floor(arm.ready * kept) };
      expect(failedShareOf(rest)).toBeGreaterThanOrEqual(failedShareOf(arm));
      expect(failedShareOf(rest)).toBeLessThanOrEqual(1);
      expect(failuresOf(rest)).toBeLessThanOrEqual(samplesOf(rest));
    }),
  );
});

describe("adding counts", () => {
  test("gives what counting all at once would have given, in any order", () => {
    fc.assert(
      fc.property(counts, counts, (a, b) => {
        const sum = addCounts(a, b);
        expect(sum).toEqual(addCounts(b, a));
        expect(sum.started).toBe(a.started + b.started);
        expect(sum.crashed).toBe(a.crashed + b.crashed);
        expect(samplesOf(sum)).toBe(samplesOf(a) + samplesOf(b));
        expect(failuresOf(sum)).toBe(failuresOf(a) + failuresOf(b));
      }),
    );
  });

  test("keeps the kinds of failures apart, and names none that did not happen", () => {
    const a = { started: 3, ready: 0, failed: { exited: 2, startup_timeout: 1 }, crashed: 0 };
    const b = { started: 1, ready: 0, failed: { exited: 1, internal_error: 0 }, crashed: 0 };
    expect(addCounts(a, b).failed).toEqual({ startup_timeout: 1, exited: 3 });
    expect(addCounts(noCounts, noCounts)).toEqual(noCounts);
  });
});
