/** Where draws start from: `SEED`, so that a run that failed can be repeated. */
export const seed = Number(process.env.SEED ?? 20261123);

/** Draws that are the same for the same seed. */
export interface SeededRandom {
  /** In [0, 1). */
  next(): number;
  /** A whole number from `from` to `to`, both included. */
  int(from: number, to: number): number;
  pick<T>(of: readonly [T, ...T[]]): T;
  /** Whether something of this likelihood happens. */
  chance(likelihood: number): boolean;
  /** Draws of their own, for something that goes on beside. */
  fork(): SeededRandom;
}

/** Mulberry32. @param seed the lowest 32 bits count */
export function seededRandom(seed: number): SeededRandom {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const int = (from: number, to: number) => from + Math.floor(next() * (to - from + 1));
  return {
    next,
    int,
    pick: (of) => of[int(0, of.length - 1)] ?? of[0],
    chance: (likelihood) => next() < likelihood,
    fork: () => seededRandom(int(0, 2 ** 32 - 1)),
  };
}
