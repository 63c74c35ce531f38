/** Where an ended backend stands among those of its service: by its end, and of one instant by its spawn. */
export interface EndPosition {
  /** Milliseconds since the epoch. */
  endedAt: number;
  fencingToken: number;
}

/** Where a page begins: beyond a position in the order of the list or, leading back, against it. */
export interface EndedFrom {
  key: EndPosition;
  leadsBack: boolean;
  /** Whether the list begins here, so that no page comes before. */
  isStart: boolean;
}

/** What is known of the ended backends of one shard, beyond where a page begins. */
export interface ShardEnds<Item> {
  /** The nearest to where it begins first. */
  found: readonly (Item & { position: EndPosition })[];
  /** How far they were looked through; null where there are no more. */
  readTo: EndPosition | null;
}

/** What a page has of the ends that are known so far. */
export interface EndedPage<Item> {
  /** The last end first, whichever way the page was reached; no shard can have one that belongs between them. */
  shown: (Item & { position: EndPosition })[];
  /** The page that goes on is beyond this; null where there is nothing more. */
  next: EndPosition | null;
  /** The page before is beyond this, leading back; null where there is nothing. */
  previous: EndPosition | null;
  /** The shards, by their indexes, that must be read further before the page can be longer: none where it is full. */
  behind: number[];
}

/** What is read next for a page. */
export interface EndedReads {
  /** By their indexes. */
  shards: readonly number[];
  /** How many are wanted of each. */
  atMost: number;
  /** How many rows each may read for that, whatever the filter matches. */
  lookAtMost: number;
}

/** Negative where `a` is listed before `b`: it ended later. */
export function compareEnds(a: EndPosition, b: EndPosition): number {
  return b.endedAt - a.endedAt || b.fencingToken - a.fencingToken;
}

/**
 * Makes a page of what the shards were read to: what lies beyond where one of them stopped may have others of that shard
 * before it, and waits.
 * @example endedPage(start, [{ found: [a], readTo: null }], 50) // { shown: [a], next: null, previous: null, behind: [] }
 */
export function endedPage<Item>(
  from: EndedFrom,
  shards: readonly ShardEnds<Item>[],
  limit: number,
): EndedPage<Item> {
  const { leadsBack } = from;
  const compare = (a: EndPosition, b: EndPosition) => (leadsBack ? compareEnds(b, a) : compareEnds(a, b));
  const found = shards.flatMap((shard) => shard.found).sort((a, b) => compare(a.position, b.position));
  // What follows the page is looked for too: whether there is more decides if there is another one.
  const wanted = found[limit]?.position ?? null;
  const isBehind = (readTo: EndPosition | null) =>
    readTo !== null && (wanted === null || compare(readTo, wanted) < 0);
  const behind = shards.flatMap(({ readTo }, i) => (isBehind(readTo) ? [i] : []));
  const readTo = shards.flatMap((shard) => shard.readTo ?? []).sort(compare)[0] ?? null;
  const shown = found
    .filter(({ position }) => readTo === null || compare(position, readTo) <= 0)
    .slice(0, limit);
  const isFull = shown.length === limit && wanted !== null;
  const ahead = isFull ? (shown.at(-1)?.position ?? readTo) : readTo;
  const back = from.isStart ? null : (shown[0]?.position ?? otherSide(from));
  return leadsBack
    ? { shown: shown.reverse(), next: back, previous: ahead, behind }
    : { shown, next: ahead, previous: back, behind };
}

/**
 * Which shards are read next for a page: each for little more than its share, then those whose share is greater, for the whole
 * page in the end. Null where the page is full, or has looked at as many as it may.
 * @param done how often the shards were read, and how many rows were looked at in all
 * @example readsForPage(page, { limit: 50, shards: 32, lookAtMost: 1000 }, { rounds: 0, looked: 0 })?.atMost // 3
 */
export function readsForPage(
  { behind }: Pick<EndedPage<unknown>, "behind">,
  { limit, shards, lookAtMost }: { limit: number; shards: number; lookAtMost: number },
  { rounds, looked }: { rounds: number; looked: number },
): EndedReads | null {
  const share = Math.ceil((limit + 1) / shards) + 1;
  const atMost = [share, 2 * share, limit + 1][rounds];
  if (atMost === undefined || behind.length === 0 || looked >= lookAtMost) return null;
  return { shards: behind, atMost, lookAtMost: Math.max(atMost, Math.ceil(lookAtMost / shards)) };
}

/** The same place, as one that leads the other way has it: what stands at the key itself is beyond it. Tokens are whole numbers. */
function otherSide({ key: { endedAt, fencingToken }, leadsBack }: EndedFrom): EndPosition {
  return { endedAt, fencingToken: leadsBack ? fencingToken + 1 : Math.max(fencingToken - 1, 0) };
}
