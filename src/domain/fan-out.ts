/** How far something has come that is done for each of many, in the order of their names. */
export interface FanOut {
  /** The last name that was reached; empty before the first. */
  after: string;
  /** Those before it that failed. */
  failed: readonly string[];
}

/** Where a fan-out begins. */
export const fanOutBegun: FanOut = { after: "", failed: [] };

/**
 * The next names, at most `atOnce`: those that were not reached yet, and then those that failed, so that one that fails
 * holds up none of the others. Empty once all have succeeded.
 */
export function nextOfFanOut(names: readonly string[], { after, failed }: FanOut, atOnce: number): string[] {
  const left = names.filter((name) => name > after).toSorted((a, b) => (a < b ? -1 : 1));
  if (left.length > 0) return left.slice(0, atOnce);
  const present = new Set(names);
  return failed.filter((name) => present.has(name)).slice(0, atOnce);
}

/** The fan-out after `tried`, which `nextOfFanOut` gave, of which `failed` failed: these come last the next time. */
export function fanOutAfter(
  { after, failed: before }: FanOut,
  tried: readonly string[],
  failed: readonly string[],
): FanOut {
  const last = tried.at(-1) ?? "";
  const again = new Set(tried);
  return {
    after: last > after ? last : after,
    failed: [...before.filter((name) => !again.has(name)), ...failed],
  };
}
