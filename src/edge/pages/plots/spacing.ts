/**
 * Divides a length in proportion to `amounts`, but gives each at least `least`, so that a short one can still be seen.
 * Where they do not all fit, all are of one length.
 * @returns the lengths, which add up to `length`
 */
export function sharesWithMinimum(amounts: readonly number[], length: number, least: number): number[] {
  const floor = Math.min(least, length / Math.max(amounts.length, 1));
  const positive = amounts.map((amount) => Math.max(amount, 0));
  const short = new Set<number>();
  // To lengthen one shortens the others, which may bring another below the least: at most once for each.
  for (;;) {
    const total = positive.reduce((sum, amount, index) => (short.has(index) ? sum : sum + amount), 0);
    const left = length - short.size * floor;
    const shareOf = (amount: number) => (total > 0 ? (amount / total) * left : left / positive.length);
    const found = positive.findIndex((amount, index) => !short.has(index) && shareOf(amount) < floor);
    if (found === -1) {
      return positive.map((amount, index) => (short.has(index) ? floor : shareOf(amount)));
    }
    short.add(found);
  }
}

/**
 * Moves labels apart that would cover each other, as little as a sweep down and back up needs.
 * @returns a place for each, in the order given: at least `gap` apart and within `from`..`until` where they all fit
 */
export function spreadApart(places: readonly number[], gap: number, from: number, until: number): number[] {
  const order = places.map((place, index) => ({ place, index })).sort((a, b) => a.place - b.place);
  let next = from;
  for (const label of order) {
    label.place = Math.max(label.place, next);
    next = label.place + gap;
  }
  let last = until;
  for (const label of order.toReversed()) {
    label.place = Math.min(label.place, last);
    last = label.place - gap;
  }
  const spread = [...places];
  for (const { place, index } of order) spread[index] = place;
  return spread;
}

/** Puts neighbours into one group while they are nearer than `gap` to the group's first. `places` in order. */
export function groupNear(places: readonly number[], gap: number): { place: number; indexes: number[] }[] {
  const groups: { place: number; indexes: number[] }[] = [];
  places.forEach((place, index) => {
    const group = groups.at(-1);
    if (group !== undefined && place - group.place < gap) group.indexes.push(index);
    else groups.push({ place, indexes: [index] });
  });
  return groups;
}
