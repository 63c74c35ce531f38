import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  histogramOf,
  mergeHistograms,
  startupBucket,
  startupBucketBounds,
  startupBuckets,
  startupTimes,
} from "../../../src/domain/usage/startup-histogram.ts";

const durations = fc.array(
  fc.oneof(fc.nat(2_000), fc.nat(700_000), fc.constantFrom(0, 9, 10, 599_999, 600_000)),
  { minLength: 1, maxLength: 200 },
);

/** The nearest-rank percentile. */
function exact(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.ceil(share * values.length) - 1] ?? Number.NaN;
}

function plain(values: readonly number[]) {
  return new Map(histogramOf(values));
}

describe("the buckets of start-up times", () => {
  test("follow on each other, each less than a fifth wider than its beginning, from 10 ms to 600 s", () => {
    for (let bucket = 1; bucket < startupBuckets - 1; bucket++) {
      const { lowerMs, upperMs } = startupBucketBounds(bucket);
      expect(upperMs / lowerMs).toBeLessThan(1.2);
      expect(upperMs).toBe(startupBucketBounds(bucket + 1).lowerMs);
    }
    expect(startupBucketBounds(1).lowerMs).toBe(10);
    expect(startupBucketBounds(startupBuckets - 1)).toEqual({ lowerMs: 600_000, upperMs: 600_000 });
  });

  test.for([
    [-5, 0],
    [0, 0],
    [9.9, 0],
    [10, 1],
    [599_999, startupBuckets - 2],
    [600_000, startupBuckets - 1],
    [1e12, startupBuckets - 1],
  ] as const)("%d ms fall into bucket %i", ([duration, bucket]) => {
    expect(startupBucket(duration)).toBe(bucket);
  });
});

describe("percentiles", () => {
  test("are none where nothing was counted", () => {
    expect(startupTimes(new Map())).toBeNull();
    expect(startupTimes(new Map([[3, 0]]))).toBeNull();
  });

  test("pass over a bucket in which nothing was counted", () => {
    const counted = new Map([[20, 4]]);
    expect(startupTimes(new Map([[3, 0], ...counted, [40, 0]]))).toEqual(startupTimes(counted));
  });

  test("lie within a bucket's width of the exact ones, and in their order", () => {
    fc.assert(
      fc.property(durations, (values) => {
        const times = startupTimes(histogramOf(values));
        expect(times?.count).toBe(values.length);
        for (const [share, reported = Number.NaN] of [
          [0.5, times?.p50Ms],
          [0.9, times?.p90Ms],
          [0.99, times?.p99Ms],
        ] as const) {
          const wanted = Math.min(exact(values, share), 600_000);
          const { lowerMs, upperMs } = startupBucketBounds(startupBucket(wanted));
          // Percentiles are reported in whole milliseconds.
          expect(Math.abs(reported - wanted)).toBeLessThanOrEqual(upperMs - lowerMs + 0.5);
        }
        expect(times?.p50Ms).toBeLessThanOrEqual(times?.p90Ms ?? 0);
        expect(times?.p90Ms).toBeLessThanOrEqual(times?.p99Ms ?? 0);
      }),
    );
  });

  test("are interpolated inside a bucket", () => {
    const { lowerMs, upperMs } = startupBucketBounds(60);
    const times = startupTimes(new Map([[60, 100]]));
    expect(times?.p50Ms).toBe(Math.round((lowerMs + upperMs) / 2));
    expect(times?.p90Ms).toBe(Math.round(lowerMs + 0.9 * (upperMs - lowerMs)));
  });
});

describe("merging histograms", () => {
  test("gives what counting all at once would have given, in any order and grouping", () => {
    fc.assert(
      fc.property(durations, durations, durations, (a, b, c) => {
        const [ha, hb, hc] = [histogramOf(a), histogramOf(b), histogramOf(c)];
        const all = plain([...a, ...b, ...c]);
        expect(mergeHistograms(mergeHistograms(ha, hb), hc)).toEqual(all);
        expect(mergeHistograms(ha, mergeHistograms(hb, hc))).toEqual(all);
        expect(mergeHistograms(mergeHistograms(hc, hb), ha)).toEqual(all);
        expect(ha).toEqual(plain(a));
      }),
    );
  });
});

test("buckets in which nothing was counted change no percentile", () => {
  const counted = histogramOf([5, 50, 500]);
  const padded = new Map(counted);
  for (let bucket = 0; bucket < startupBuckets; bucket++) padded.set(bucket, counted.get(bucket) ?? 0);
  expect(startupTimes(padded)).toEqual(startupTimes(counted));
});
