import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bucketed, stepPath } from "../../../../src/edge/pages/plots/buckets.ts";
import { finite } from "../../../../src/edge/pages/plots/points.ts";
import { amountTicks, countText } from "../../../../src/edge/pages/plots/scales/amount-ticks.ts";
import { linearScale } from "../../../../src/edge/pages/plots/scales/linear-scale.ts";
import { timeTicks } from "../../../../src/edge/pages/plots/scales/time-ticks.ts";
import { groupNear, sharesWithMinimum, spreadApart } from "../../../../src/edge/pages/plots/spacing.ts";
import { momentText, spanText } from "../../../../src/edge/pages/plots/time-text.ts";

const dayMs = 86_400_000;
const now = Date.UTC(2026, 10, 23, 10, 28, 31);

/** 1, 2 or 5 times a power of ten. */
const isRound = (step: number) => /^[125](\.0*)?e/.test(step.toExponential(6));

describe("the ticks of amounts", () => {
  const amounts = fc.oneof(fc.nat(200), fc.double({ min: 0, max: 1e15, noNaN: true }));
  const most = fc.integer({ min: 2, max: 12 });
  const smallestStep = fc.constantFrom(0.001, 0.01, 1, 1000);

  test("begin at 0, cover the range, are at most as many as wanted, and a round step apart", () => {
    fc.assert(
      fc.property(amounts, most, smallestStep, (max, n, smallest) => {
        const ticks = amountTicks(max, n, smallest);
        const step = (ticks[1] ?? 0) - (ticks[0] ?? 0);
        expect(ticks[0]).toBe(0);
        expect(ticks.at(-1)).toBeGreaterThanOrEqual(max);
        expect(ticks.length).toBeLessThanOrEqual(n);
        expect(isRound(step)).toBe(true);
        expect(step).toBeGreaterThanOrEqual(smallest);
        ticks.forEach((tick, index) => {
          expect(Math.abs(tick - index * step)).toBeLessThanOrEqual(1e-9 * tick);
        });
      }),
    );
  });

  test("leave no step above the largest amount unused", () => {
    fc.assert(
      fc.property(amounts, most, (max, n) => {
        const ticks = amountTicks(max, n);
        expect(ticks.length === 2 || (ticks.at(-2) ?? 0) < max).toBe(true);
      }),
    );
  });

  test("of nothing are 0 and one step", () => {
    expect(amountTicks(0, 5)).toEqual([0, 1]);
    expect(amountTicks(-3, 5, 0.01)).toEqual([0, 0.01]);
  });

  test("are exact decimals, not sums of rounding errors", () => {
    expect(amountTicks(0.3, 4, 0.01)).toEqual([0, 0.1, 0.2, 0.3]);
    expect(amountTicks(7, 5)).toEqual([0, 2, 4, 6, 8]);
    expect(amountTicks(1, 5)).toEqual([0, 1]);
  });

  test("are written short from ten thousand on", () => {
    expect([0, 9_500, 10_000, 12_500, 1_200_000, 3e9].map(countText)).toEqual([
      "0",
      "9500",
      "10k",
      "12.5k",
      "1.2M",
      "3B",
    ]);
  });
});

describe("the ticks of times", () => {
  const ranges = fc.tuple(fc.integer({ min: 0, max: now }), fc.integer({ min: 1, max: 4_000 * dayMs }));
  const most = fc.integer({ min: 1, max: 10 });

  test("are within the range, evenly apart, and at most as many as wanted", () => {
    fc.assert(
      fc.property(ranges, most, ([from, length], n) => {
        const times = timeTicks(from, from + length, n).map(({ at }) => at);
        const stepMs = (times[1] ?? 0) - (times[0] ?? 0);
        expect(times.length).toBeLessThanOrEqual(n);
        times.forEach((at, index) => {
          expect(at).toBeGreaterThanOrEqual(from);
          expect(at).toBeLessThanOrEqual(from + length);
          expect(at % 1_000).toBe(0);
          if (index > 0) expect(at - (times[index - 1] ?? 0)).toBe(stepMs);
        });
      }),
    );
  });

  test("are at least two wherever there is room for five and the range is at least 5 s", () => {
    fc.assert(
      fc.property(ranges, fc.integer({ min: 5, max: 10 }), ([from, length], n) => {
        expect(timeTicks(from, from + Math.max(length, 5_000), n).length).toBeGreaterThanOrEqual(2);
      }),
    );
  });

  test.for([
    ["1 h", dayMs / 24, ["09:30", "09:45", "10:00", "10:15"]],
    ["6 h", dayMs / 4, ["06:00", "08:00", "10:00"]],
    ["1 d", dayMs, ["12:00", "18:00", "23 Nov", "06:00"]],
    ["7 d", 7 * dayMs, ["17 Nov", "19 Nov", "21 Nov", "23 Nov"]],
    ["30 d", 30 * dayMs, ["29 Oct", "5 Nov", "12 Nov", "19 Nov"]],
  ] as const)("of %s are what people would write below it", ([, length, texts]) => {
    expect(timeTicks(now - length, now, 5).map(({ text }) => text)).toEqual(texts);
  });

  test("are none where there is no round moment", () => {
    expect(timeTicks(now + 1, now + 2, 5)).toEqual([]);
    expect(timeTicks(now, now - dayMs, 5)).toEqual([]);
  });

  test("and spans say their unit", () => {
    expect([500, 90_000, 900_000, 21_600_000, dayMs].map(spanText)).toEqual([
      "500 ms",
      "90 s",
      "15 min",
      "6 h",
      "1 d",
    ]);
    expect(momentText(now, "minute")).toBe("2026-11-23 10:28");
  });
});

describe("a scale", () => {
  test("of an empty domain puts everything in the middle", () => {
    expect(linearScale([7, 7], [0, 100])(7)).toBe(50);
  });

  test("maps its ends to the ends of its range", () => {
    const scale = linearScale([10, 20], [100, 0]);
    expect([scale(10), scale(15), scale(20)]).toEqual([100, 50, 0]);
  });
});

describe("what was not measured", () => {
  test("is left out: neither a number that is none nor a moment that no date can be", () => {
    const points = [
      { at: now, value: Number.NaN },
      { at: Number.NaN, value: 1 },
      { at: 1e300, value: 1 },
      { at: now, value: Number.POSITIVE_INFINITY },
      { at: now, value: 1 },
    ];
    expect(finite(points)).toEqual([{ at: now, value: 1 }]);
  });
});

describe("buckets", () => {
  const hourMs = dayMs / 24;

  test("lose nothing that lies in them, and hold nothing else", () => {
    const point = fc.record({ at: fc.integer({ min: now - dayMs, max: now + dayMs }), value: fc.nat(99) });
    fc.assert(
      fc.property(fc.array(point), (points) => {
        const { starts, counts } = bucketed([{ label: "a", points }], {
          from: now - dayMs / 2,
          until: now,
          bucketMs: hourMs,
        });
        const first = starts[0] ?? 0;
        const end = (starts.at(-1) ?? 0) + hourMs;
        const wanted = points.filter(({ at }) => at >= first && at < end);
        const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
        expect(sum(counts[0] ?? [])).toBe(sum(wanted.map(({ value }) => value)));
        expect(first).toBeLessThanOrEqual(now - dayMs / 2);
        expect(end).toBeGreaterThanOrEqual(now);
        expect(starts.every((at) => at % hourMs === 0)).toBe(true);
      }),
    );
  });

  test("draw one step for each change", () => {
    const path = stepPath([0, 0, 3, 3, 1], { x: (index) => index * 10, y: (count) => 100 - count });
    expect(path).toBe("M0 100H20V97H40V99H50");
  });
});

describe("the lengths of segments", () => {
  const amounts = fc.array(fc.oneof(fc.nat(1_000), fc.double({ min: 0, max: 1e12, noNaN: true })), {
    minLength: 1,
    maxLength: 12,
  });

  test("add up to the whole, and none is below the least, nor a larger amount shorter than a smaller one", () => {
    fc.assert(
      fc.property(amounts, fc.integer({ min: 1, max: 40 }), (given, least) => {
        const lengths = sharesWithMinimum(given, 320, least);
        expect(lengths.reduce((sum, length) => sum + length, 0)).toBeCloseTo(320, 6);
        const floor = Math.min(least, 320 / given.length);
        expect(lengths.every((length) => length >= floor - 1e-9)).toBe(true);
        for (const [i, a] of given.entries()) {
          for (const [j, b] of given.entries()) {
            if (a <= b) expect(lengths[i]).toBeLessThanOrEqual((lengths[j] ?? 0) + 1e-9);
          }
        }
      }),
    );
  });

  test("are in proportion where none is short", () => {
    expect(sharesWithMinimum([1, 3], 100, 10)).toEqual([25, 75]);
  });
});

describe("labels", () => {
  test("are moved apart, within their range, in the order of their places", () => {
    const places = fc.array(fc.integer({ min: 0, max: 150 }), { maxLength: 10 });
    fc.assert(
      fc.property(places, (given) => {
        const spread = spreadApart(given, 15, 0, 150);
        expect(spread.length).toBe(given.length);
        const sorted = spread.toSorted((a, b) => a - b);
        sorted.forEach((place, index) => {
          expect(place).toBeGreaterThanOrEqual(0);
          expect(place).toBeLessThanOrEqual(150);
          if (index > 0) expect(place - (sorted[index - 1] ?? 0)).toBeGreaterThanOrEqual(15);
        });
        for (const [i, a] of given.entries()) {
          for (const [j, b] of given.entries()) {
            if (a < b) expect(spread[i]).toBeLessThan(spread[j] ?? 0);
          }
        }
      }),
    );
  });

  test("that have room stay where they are", () => {
    expect(spreadApart([100, 20, 60], 15, 0, 150)).toEqual([100, 20, 60]);
  });

  test("of neighbours become one, and the groups are a gap apart", () => {
    expect(groupNear([0, 5, 9, 12, 40], 10)).toEqual([
      { place: 0, indexes: [0, 1, 2] },
      { place: 12, indexes: [3] },
      { place: 40, indexes: [4] },
    ]);
  });
});
