/** Where a value lies on a straight scale. An empty domain lies in the middle of its range. */
export function linearScale(
  [from, until]: readonly [number, number],
  [start, end]: readonly [number, number],
): (value: number) => number {
  if (until === from) return () => (start + end) / 2;
  return (value) => start + ((value - from) / (until - from)) * (end - start);
}

/** A coordinate in as few characters as a reader can tell apart: a tenth of a unit. */
export function coordinate(value: number): string {
  return String(Math.round(value * 10) / 10);
}
