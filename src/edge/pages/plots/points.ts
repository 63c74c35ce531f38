/** A value at a moment. */
export interface Point {
  /** Milliseconds since the epoch. */
  at: number;
  value: number;
}

/** The last moment that a `Date` can be (ECMA-262, time values). */
const lastMomentMs = 8.64e15;

/** Drops points that cannot be drawn: values from outside of Slipway may be anything. */
export function finite<Point extends { at: number; value: number }>(points: readonly Point[]): Point[] {
  return points.filter(({ at, value }) => Math.abs(at) <= lastMomentMs && Number.isFinite(value));
}
