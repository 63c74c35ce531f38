import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { backendStatuses, statusRank } from "../../../src/domain/backends/status.ts";
import { ok } from "../../../src/domain/result.ts";
import { histogramOf, startupBuckets } from "../../../src/domain/usage/startup-histogram.ts";
import {
  decodeUsage,
  encodeUsage,
  eventOfStep,
  isRefusal,
  mergeUsage,
  minuteOf,
  noUsage,
  type UsageCounts,
  usageOf,
  usageSteps,
} from "../../../src/domain/usage/usage.ts";
import { countOf } from "./count-of.ts";

const minute = 60_000;
const day = 24 * 60 * minute;

const counts: fc.Arbitrary<UsageCounts> = fc.record({
  totals: fc.record({
    spawned: fc.nat(),
    reused: fc.nat(),
    refused: fc.nat(),
    ready: fc.nat(),
    failed: fc.nat(),
  }),
  startup: fc
    .dictionary(fc.integer({ min: 0, max: startupBuckets - 1 }).map(String), fc.integer({ min: 1 }))
    .map((byBucket) => new Map(Object.entries(byBucket).map(([bucket, n]) => [Number(bucket), n]))),
});

describe("merging counts", () => {
  test("is commutative and associative, and nothing is its neutral element", () => {
    fc.assert(
      fc.property(counts, counts, counts, (a, b, c) => {
        expect(mergeUsage(a, b)).toEqual(mergeUsage(b, a));
        expect(mergeUsage(mergeUsage(a, b), c)).toEqual(mergeUsage(a, mergeUsage(b, c)));
        expect(mergeUsage(a, noUsage)).toEqual(a);
      }),
    );
  });
});

describe("stored counts", () => {
  test("are read as they were written", () => {
    fc.assert(
      fc.property(counts, (written) => {
        expect(decodeUsage(encodeUsage(written))).toEqual(written);
      }),
    );
  });

  test("have one form, which must stay readable", () => {
    const written = mergeUsage(countOf("spawned"), countOf("ready", histogramOf([5, 5, 1_000])));
    expect(encodeUsage(written)).toBe("1 1 0 0 1 0 0:2 42:1");
  });

  test.for([
    "",
    "1",
    "1 1 2 3 4",
    "1 1 2 3 4 5 6",
    "2 1 2 3 4 5",
    "1 1 2 3 4 -5",
    "1 1 2 3 4 5 0:",
    "1 1 2 3 4 5 102:1",
    "1 1 2 3 4 5 7:1 7:1",
    "1 1 2 3 4 5 ",
    "1 1 2 3 4 9999999999999999999",
    "{}",
  ])("%j is none, and says so without throwing", (text) => {
    expect(decodeUsage(text)).toBeNull();
  });

  test("of any text reading does not throw", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        decodeUsage(text);
      }),
    );
  });
});

describe("a step of a backend's life", () => {
  test("counts once in it: as ready, or as failed where the end comes first", () => {
    fc.assert(
      fc.property(fc.subarray([...backendStatuses]), (life) => {
        const steps = ["scheduled" as const, ...life.filter((status) => status !== "scheduled")];
        const events = steps.slice(1).map((status, i) => eventOfStep(steps[i] ?? "scheduled", status));
        const wanted = life.includes("ready")
          ? ["ready"]
          : life.some((status) => statusRank(status) > statusRank("ready"))
            ? ["failed"]
            : [];
        expect(events.filter((event) => event !== null)).toEqual(wanted);
      }),
    );
  });
});

describe("a connect that fails", () => {
  test.for([
    ["image_not_found", true],
    ["cluster_required", true],
    ["cluster_refused", true],
    ["cluster_unavailable", true],
    ["key_terminating", true],
    ["bad_request", false],
    ["environment_required", false],
    ["environment_not_found", false],
    ["forbidden", false],
    ["unauthorized", false],
    ["key_not_held", false],
    ["idempotency_mismatch", false],
  ] as const)("with %s counts as refused: %s", ([code, refused]) => {
    expect(isRefusal(code)).toBe(refused);
  });
});

describe("the steps of a range", () => {
  const now = Date.parse("2030-01-01T12:34:56Z");

  test("begin at a whole step before its beginning and cover its end", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 240 }),
        fc.integer({ min: 1, max: 30 * day }),
        (minutes, length) => {
          const stepMs = minutes * minute;
          const steps = usageSteps({ from: now - length, to: now, stepMs });
          if (!steps.ok) {
            expect(length / stepMs).toBeGreaterThan(399);
            return;
          }
          const { from, count } = steps.value;
          expect(from % stepMs).toBe(0);
          expect(from).toBeLessThanOrEqual(now - length);
          expect(from + stepMs).toBeGreaterThan(now - length);
          expect(from + count * stepMs).toBeGreaterThanOrEqual(now);
          expect(from + (count - 1) * stepMs).toBeLessThan(now);
          expect(count).toBeLessThanOrEqual(400);
        },
      ),
    );
  });

  test("are 400 at most", () => {
    const to = Math.floor(now / minute) * minute;
    expect(usageSteps({ from: to - 400 * minute, to, stepMs: minute })).toMatchObject({
      ok: true,
      value: { count: 400 },
    });
    expect(usageSteps({ from: to - 401 * minute, to, stepMs: minute })).toMatchObject({
      ok: false,
      error: { code: "bad_request", message: expect.stringContaining("401 steps") },
    });
  });

  test("cover up to 30 days, and a step is up to 30 days long", () => {
    const from = 360 * day;
    const to = from + 30 * day;
    expect(usageSteps({ from, to, stepMs: day })).toEqual(ok({ from, stepMs: day, count: 30 }));
    expect(usageSteps({ from, to, stepMs: 30 * day })).toEqual(ok({ from, stepMs: 30 * day, count: 1 }));
  });

  test.for([
    ["that ends when it begins", { from: now, to: now, stepMs: minute }],
    ["that ends before it begins", { from: now, to: now - 1, stepMs: minute }],
    ["of more than 30 days", { from: now - 30 * day - 1, to: now, stepMs: day }],
    ["of steps of more than 30 days", { from: now - day, to: now, stepMs: 30 * day + minute }],
    ["of half minutes", { from: now - minute, to: now, stepMs: minute / 2 }],
    ["of steps that are no whole minutes", { from: now - minute, to: now, stepMs: 1.5 * minute }],
    ["of endless steps", { from: now - minute, to: now, stepMs: 1e12 * minute }],
    ["before 1970", { from: -1, to: minute, stepMs: minute }],
    ["without a beginning", { from: Number.NaN, to: now, stepMs: minute }],
    ["without an end", { from: now, to: Number.POSITIVE_INFINITY, stepMs: minute }],
  ] as const)("a range %s is refused", ([, range]) => {
    expect(usageSteps(range)).toMatchObject({ ok: false, error: { code: "bad_request" } });
  });
});

describe("what happened in an environment", () => {
  const steps = { from: 10 * minute, stepMs: 5 * minute, count: 3 };

  test("is summed up by steps, with zeros where nothing did, and over the whole range", () => {
    const usage = usageOf(
      "prod",
      [
        { at: 9 * minute, counts: countOf("failed") },
        { at: 10 * minute, counts: countOf("spawned") },
        { at: 14 * minute, counts: countOf("ready", histogramOf([1_000])) },
        { at: 14 * minute, counts: countOf("spawned") },
        { at: 24 * minute, counts: countOf("refused") },
        { at: 25 * minute, counts: countOf("failed") },
      ],
      steps,
    );
    const none = noUsage.totals;
    expect(usage.points).toEqual([
      { at: 10 * minute, ...none, spawned: 2, ready: 1 },
      { at: 15 * minute, ...none },
      { at: 20 * minute, ...none, refused: 1 },
    ]);
    expect(usage.totals).toEqual({ ...none, spawned: 2, ready: 1, refused: 1 });
    expect(usage.startup?.count).toBe(1);
  });

  test("has no start-up times where no backend became ready", () => {
    expect(usageOf("prod", [], steps).startup).toBeNull();
  });
});

test("counts are stored with their buckets in order, whatever order they came in", () => {
  const startup = new Map([
    [43, 1],
    [7, 2],
    [11, 3],
  ]);
  expect(encodeUsage({ ...noUsage, startup })).toBe("1 0 0 0 0 0 7:2 11:3 43:1");
});

test.for([
  [0, 0],
  [minute - 1, 0],
  [minute, minute],
  [7 * minute + 59_999, 7 * minute],
] as const)("%i lies in the minute that begins at %i", ([time, begins]) => {
  expect(minuteOf(time)).toBe(begins);
});

test.for([
  [{ from: 0, to: minute, stepMs: minute }, true],
  [{ from: -1, to: minute, stepMs: minute }, false],
  [{ from: 0, to: 30 * day, stepMs: 30 * day }, true],
  [{ from: 0, to: minute, stepMs: 0 }, false],
  [{ from: 0, to: minute, stepMs: -minute }, false],
  [{ from: 0, to: minute, stepMs: 1.5 * minute }, false],
  [{ from: 0, to: 0, stepMs: minute }, false],
] as const)("%j can be shown: %s", ([range, ok]) => {
  expect(usageSteps(range).ok).toBe(ok);
});
