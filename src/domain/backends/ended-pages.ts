/** Where an ended backend stands among those of its service: by its end, and of one instant by its spawn. */
export interface EndPosition {
  /** Milliseconds since the epoch. */
  endedAt: number;
  fencingToken: number;
}

/** What is known of the ended backends of one shard, beyond where a page begins. */
export interface ShardEnds<Item> {
  /** The last end first. */
  found: readonly (Item & { position: EndPosition })[];
  /** How far they were looked through; null where there are no more. */
  readTo: EndPosition | null;
}

/** What a page has of the ends that are known so far. */
export interface EndedPage<Item> {
  /** The last end first; no shard can have one that belongs between them. */
  shown: (Item & { position: EndPosition })[];
  /** Where the next page begins; null where there is nothing more. */
  next: EndPosition | null;
  /** The shards, by their indexes, that must be read further before the page can be longer: none where it is full. */
  behind: number[];
}

/** Negative where `a` is listed before `b`: it ended later. */
export function compareEnds(a: EndPosition, b: EndPosition): number {
  return b.endedAt - a.endedAt || b.fencingToken - a.fencingToken;
}

/**
 * Makes a page of what the shards were read to: what lies beyond where one of them stopped may have others of that shard
 * before it, and waits.
 * @example endedPage([{ found: [a], readTo: null }], 50) // { shown: [a], next: null, behind: [] }
 */
export function endedPage<Item>(shards: readonly ShardEnds<Item>[], limit: number): EndedPage<Item> {
  const found = shards.flatMap((shard) => shard.found).sort((a, b) => compareEnds(a.position, b.position));
  // What follows the page is looked for too: whether there is more decides if there is a next one.
  const wanted = found[limit]?.position ?? null;
  const isBehind = (readTo: EndPosition | null) =>
    readTo !== null && (wanted === null || compareEnds(readTo, wanted) < 0);
  const behind = shards.flatMap(({ readTo }, i) => (isBehind(readTo) ? [i] : []));
  const readTo = shards.map((shard) => shard.readTo).reduce(sooner, null);
  const shown = found
    .filter(({ position }) => readTo === null || compareEnds(position, readTo) <= 0)
    .slice(0, limit);
  const isFull = shown.length === limit && wanted !== null;
  return { shown, next: isFull ? (shown.at(-1)?.position ?? readTo) : readTo, behind };
}

function sooner(a: EndPosition | null, b: EndPosition | null): EndPosition | null {
  if (a === null || b === null) return a ?? b;
  return compareEnds(a, b) <= 0 ? a : b;
}
