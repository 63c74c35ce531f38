import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Comparison, chanceOfSoMany } from "../../../../src/domain/deploys/canary/exact-test.ts";

function comparison(
  canary: [failed: number, samples: number],
  base: [failed: number, samples: number],
): Comparison {
  const outcomes = ([failed, samples]: [number, number]) => ({ failed, samples });
  return { canary: outcomes(canary), base: outcomes(base) };
}

/** How many sets of `some` of `all` there are, exactly. */
function choose(all: number, some: number): bigint {
  if (some < 0 || some > all) return 0n;
  let sets = 1n;
  for (let i = 0; i < some; i++) sets = (sets * BigInt(all - i)) / BigInt(i + 1);
  return sets;
}

/** The same by counting every way in which the failures can fall on the sessions. */
function counted(comparisons: readonly Comparison[]): number {
  let ways = [1n];
  let observed = 0;
  for (const { canary, base } of comparisons) {
    observed += canary.failed;
    const failed = canary.failed + base.failed;
    const next = Array.from({ length: ways.length + failed }, () => 0n);
    for (const [before, way] of ways.entries()) {
      for (let onCanary = 0; onCanary <= failed; onCanary++) {
        const here = choose(canary.samples, onCanary) * choose(base.samples, failed - onCanary);
        next[before + onCanary] = (next[before + onCanary] ?? 0n) + way * here;
      }
    }
    ways = next;
  }
  const sum = (counts: readonly bigint[]) => counts.reduce((total, count) => total + count, 0n);
  return Number((sum(ways.slice(observed)) * 10n ** 18n) / sum(ways)) / 1e18;
}

const outcomes = fc
  .nat(40)
  .chain((samples) => fc.record({ samples: fc.constant(samples), failed: fc.nat(samples) }));
const comparisons = fc.array(fc.record({ canary: outcomes, base: outcomes }), { maxLength: 3 });

describe("the chance of so many failures", () => {
  // The first is Fisher's own, of the lady who tasted tea.
  test.for([
    [[comparison([3, 4], [1, 4])], 17 / 70],
    [[comparison([4, 4], [0, 4])], 1 / 70],
    [[comparison([3, 20], [0, 20])], 1140 / 9880],
    [[comparison([0, 20], [3, 20])], 1],
    [[comparison([0, 0], [0, 0])], 1],
    [[comparison([5, 5], [0, 0])], 1],
    [[], 1],
    [[comparison([1, 1], [0, 1]), comparison([1, 1], [0, 1])], 1 / 4],
  ] as const)("of %j is %d", ([tables, chance]) => {
    expect(chanceOfSoMany(tables)).toBeCloseTo(chance, 12);
  });

  test("is what counting every way gives", () => {
    fc.assert(
      fc.property(comparisons, (each) => {
        expect(chanceOfSoMany(each)).toBeCloseTo(counted(each), 9);
      }),
    );
  });

  test("grows smaller with each failure of the canary, and greater with each of the base", () => {
    fc.assert(
      fc.property(outcomes, outcomes, (canary, base) => {
        const chance = chanceOfSoMany([{ canary, base }]);
        if (canary.failed < canary.samples) {
          const worse = { ...canary, failed: canary.failed + 1 };
          expect(chanceOfSoMany([{ canary: worse, base }])).toBeLessThanOrEqual(chance + 1e-12);
        }
        if (base.failed < base.samples) {
          const worse = { ...base, failed: base.failed + 1 };
          expect(chanceOfSoMany([{ canary, base: worse }])).toBeGreaterThanOrEqual(chance - 1e-12);
        }
      }),
    );
  });

  test("is right for hundreds of thousands of sessions, as the normal distribution says", () => {
    // 2 standard deviations of the difference above the base: 2.28 % by the normal distribution.
    const canary = comparison([5_206, 100_000], [45_000, 900_000]);
    expect(chanceOfSoMany([canary])).toBeGreaterThan(0.001);
    expect(chanceOfSoMany([canary])).toBeLessThan(0.004);
    expect(chanceOfSoMany([comparison([5_000, 100_000], [45_000, 900_000])])).toBeCloseTo(0.5, 2);
    expect(chanceOfSoMany([comparison([90_000, 100_000], [45_000, 900_000])])).toBe(0);
  });
});
