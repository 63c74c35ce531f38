/**
 * How many start-ups took how long: counts by the number of a bucket. The bounds never change, so that what was
 * counted at different times and places can be added up. They are 10 ms to 600 s in steps of 11.6 %: a percentile
 * is off by less than that. Bucket 0 holds what was quicker, the last one what was slower.
 */
export type StartupHistogram = ReadonlyMap<number, number>;

const shortestMs = 10;
const longestMs = 600_000;
const logarithmicBuckets = 100;

/** Where each bucket begins, in milliseconds. */
const lowerBoundsMs: readonly number[] = [
  0,
  ...Array.from(
    { length: logarithmicBuckets },
    (_, i) => shortestMs * (longestMs / shortestMs) ** (i / logarithmicBuckets),
  ),
  longestMs,
];
/** How many buckets there are. */
export const startupBuckets = lowerBoundsMs.length;

/** The bucket that a duration falls into. Anything below zero is taken as zero. */
export function startupBucket(durationMs: number): number {
  return Math.max(
    0,
    lowerBoundsMs.findLastIndex((lower) => lower <= durationMs),
  );
}

/** Where a bucket begins and where the next one does, in milliseconds; the last one has no width. */
export function startupBucketBounds(bucket: number): { lowerMs: number; upperMs: number } {
  return { lowerMs: lowerBoundsMs[bucket] ?? longestMs, upperMs: lowerBoundsMs[bucket + 1] ?? longestMs };
}

/** Counts durations by their buckets. */
export function histogramOf(durationsMs: readonly number[]): StartupHistogram {
  const histogram = new Map<number, number>();
  for (const durationMs of durationsMs) {
    const bucket = startupBucket(durationMs);
    histogram.set(bucket, (histogram.get(bucket) ?? 0) + 1);
  }
  return histogram;
}

/** The counts of two histograms together. */
export function mergeHistograms(a: StartupHistogram, b: StartupHistogram): StartupHistogram {
  const merged = new Map(a);
  for (const [bucket, count] of b) merged.set(bucket, (merged.get(bucket) ?? 0) + count);
  return merged;
}

/** How long start-ups took: how many there were, and the percentiles of their durations. */
export interface StartupTimes {
  count: number;
  p50Ms: number;
  p90Ms: number;
  p99Ms: number;
}

/** The percentiles in whole milliseconds, interpolated inside their buckets; null where nothing was counted. */
export function startupTimes(histogram: StartupHistogram): StartupTimes | null {
  const buckets = [...histogram].filter(([, count]) => count > 0).sort(([a], [b]) => a - b);
  const count = buckets.reduce((total, [, inBucket]) => total + inBucket, 0);
  if (count === 0) return null;
  const percentileMs = (share: number) => Math.round(durationOfRank(buckets, Math.ceil(share * count)));
  return { count, p50Ms: percentileMs(0.5), p90Ms: percentileMs(0.9), p99Ms: percentileMs(0.99) };
}

/** How long the `rank`th of the durations took (1, 2, … by length), as if each bucket's lay evenly in it. */
function durationOfRank(buckets: readonly (readonly [number, number])[], rank: number): number {
  let before = 0;
  for (const [bucket, inBucket] of buckets) {
    if (before + inBucket >= rank) {
      const { lowerMs, upperMs } = startupBucketBounds(bucket);
      return lowerMs + ((upperMs - lowerMs) * (rank - before)) / inBucket;
    }
    before += inBucket;
  }
  return longestMs;
}
