const roundFactors = [1, 2, 5] as const;

/**
 * The ticks of an axis of amounts: from 0 up to the first that is not below `max`, in steps of 1, 2 or 5 times a power
 * of ten.
 * @param max the largest value; where it is not above 0, the axis has one step
 * @param most how many there may be, at least 2
 * @param smallestStep a power of ten: 1 for what is counted
 */
export function amountTicks(max: number, most: number, smallestStep = 1): number[] {
  const steps = Math.max(Math.floor(most) - 1, 1);
  const top = Math.max(max, 0);
  const lowest = Math.round(Math.log10(smallestStep));
  // No smaller power can fit, and one power above the magnitude always does.
  let exponent = top > 0 ? Math.max(lowest, Math.floor(Math.log10(top / steps)) - 1) : lowest;
  for (; ; exponent++) {
    for (const factor of roundFactors) {
      const count = Math.max(Math.ceil(top / timesPowerOfTen(factor, exponent)), 1);
      if (count <= steps && timesPowerOfTen(factor * count, exponent) >= top) {
        return Array.from({ length: count + 1 }, (_, index) => timesPowerOfTen(factor * index, exponent));
      }
    }
  }
}

/** Divides instead of multiplying by a negative power, so that three steps of 0.1 are 0.3. */
function timesPowerOfTen(value: number, exponent: number): number {
  return exponent < 0 ? value / 10 ** -exponent : value * 10 ** exponent;
}

/** A count on an axis: exact below ten thousand, then 12k, 1.2M, 3B. */
export function countText(count: number): string {
  for (const [unit, suffix] of [
    [1e9, "B"],
    [1e6, "M"],
    [1e3, "k"],
  ] as const) {
    if (count >= unit && count >= 1e4) return `${Math.round((count / unit) * 10) / 10}${suffix}`;
  }
  return String(count);
}
