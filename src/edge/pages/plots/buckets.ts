import type { Point } from "./points.ts";
import { finite } from "./points.ts";
import { coordinate } from "./scales/linear-scale.ts";

export interface Series {
  label: string;
  points: readonly Point[];
}

export interface Buckets {
  bucketMs: number;
  /** When each begins. */
  starts: number[];
  /** For each series, the count of each bucket. */
  counts: number[][];
}

/**
 * Counts by bucket. Buckets begin at multiples of their width since the epoch, as those of the database do; the first
 * holds `from`, the last ends at or after `until`. A bucket without points counts 0.
 * @param from milliseconds since the epoch, before `until`
 */
export function bucketed(
  series: readonly Series[],
  { from, until, bucketMs }: { from: number; until: number; bucketMs: number },
): Buckets {
  const first = Math.floor(from / bucketMs);
  const length = Math.max(Math.ceil(until / bucketMs) - first, 1);
  const starts = Array.from({ length }, (_, index) => (first + index) * bucketMs);
  const counts = series.map(({ points }) => {
    const sums = starts.map(() => 0);
    for (const { at, value } of finite(points)) {
      const index = Math.floor(at / bucketMs) - first;
      const before = sums[index];
      if (before !== undefined) sums[index] = before + Math.max(value, 0);
    }
    return sums;
  });
  return { bucketMs, starts, counts };
}

/** Bars on the line at `y(0)`, as one SVG path; what is 0 has none. */
export function barsPath(
  counts: readonly number[],
  { x, y }: { x: (index: number) => number; y: (count: number) => number },
): string {
  const base = y(0);
  const floor = coordinate(base);
  return counts
    .map((count, index) => {
      if (count === 0) return "";
      const width = x(index + 1) - x(index);
      const gap = Math.min(width / 5, 2);
      // A bar that is not 0 stays visible, however small.
      const top = Math.min(y(count), base - 1);
      return `M${coordinate(x(index) + gap / 2)} ${floor}V${coordinate(top)}h${coordinate(width - gap)}V${floor}`;
    })
    .join("");
}

/** A line with one step for each change, as an SVG path. */
export function stepPath(
  counts: readonly number[],
  { x, y }: { x: (index: number) => number; y: (count: number) => number },
): string {
  const steps = counts.map((count, index) => {
    const before = counts[index - 1];
    if (before === undefined) return `M${coordinate(x(index))} ${coordinate(y(count))}`;
    return before === count ? "" : `H${coordinate(x(index))}V${coordinate(y(count))}`;
  });
  return `${steps.join("")}H${coordinate(x(counts.length))}`;
}
