import fc from "fast-check";
import { expect, test } from "vitest";
import {
  compareEnds,
  type EndedFrom,
  type EndPosition,
  endedPage,
  readsForPage,
  type ShardEnds,
} from "../../../src/domain/backends/ended-pages.ts";

const position = fc.record({
  endedAt: fc.integer({ min: 0, max: 20 }),
  fencingToken: fc.integer({ min: 1, max: 1000 }),
});
const start: EndedFrom = { key: { endedAt: 100, fencingToken: 0 }, leadsBack: false, isStart: true };
const end = (endedAt: number, fencingToken = 1) => ({ position: { endedAt, fencingToken } });
const key = ({ endedAt, fencingToken }: EndPosition) => `${endedAt}-${fencingToken}`;

/** What a shard knows after its first `count` were read. */
function readUpTo(ends: readonly EndPosition[], count: number, begin: EndPosition): ShardEnds<object> {
  const found = ends.slice(0, count).map((at) => ({ position: at }));
  return { found, readTo: count > ends.length ? null : (found.at(-1)?.position ?? begin) };
}

test("a page has what ended last of all, once no shard that is behind could have something between", () => {
  const shards = fc.array(fc.uniqueArray(position, { maxLength: 12, selector: key }), {
    minLength: 1,
    maxLength: 6,
  });
  fc.assert(
    fc.property(
      shards,
      fc.integer({ min: 1, max: 8 }),
      fc.integer({ min: 1, max: 3 }),
      (all, limit, step) => {
        const sorted = all.map((ends) => ends.toSorted(compareEnds));
        const wanted = sorted.flat().sort(compareEnds);
        const counts = sorted.map(() => 0);
        const known = () => sorted.map((ends, i) => readUpTo(ends, counts[i] ?? 0, start.key));
        let page = endedPage(start, known(), limit);
        for (let round = 0; page.behind.length > 0; round += 1) {
          // Whatever is shown before the page is full is a part of it.
          expect(page.shown.map(({ position: at }) => at)).toEqual(wanted.slice(0, page.shown.length));
          expect(round).toBeLessThan(20);
          for (const i of page.behind) counts[i] = (counts[i] ?? 0) + step;
          page = endedPage(start, known(), limit);
        }
        expect(page.shown.map(({ position: at }) => at)).toEqual(wanted.slice(0, limit));
        expect(page.next === null).toBe(wanted.length <= limit);
      },
    ),
  );
});

test("a shard that was read less far than another holds back what ended before that", () => {
  const shards = [
    { found: [end(9), end(5)], readTo: null },
    { found: [end(8)], readTo: { endedAt: 8, fencingToken: 1 } },
  ];
  expect(endedPage(start, shards, 3)).toEqual({
    shown: [end(9), end(8)],
    next: { endedAt: 8, fencingToken: 1 },
    previous: null,
    behind: [1],
  });
});

test("a shard that is read beyond the one after the page is not read further", () => {
  const shards = [
    { found: [end(9), end(8)], readTo: { endedAt: 8, fencingToken: 1 } },
    { found: [end(2)], readTo: { endedAt: 2, fencingToken: 1 } },
  ];
  expect(endedPage(start, shards, 1)).toEqual({
    shown: [end(9)],
    next: end(9).position,
    previous: null,
    behind: [],
  });
});

test("without a shard that has more there is no next page", () => {
  expect(endedPage(start, [{ found: [], readTo: null }], 5)).toEqual({
    shown: [],
    next: null,
    previous: null,
    behind: [],
  });
});

/** An ended backend, and whether a filter means it. */
interface Ended {
  shard: number;
  position: EndPosition;
  matches: boolean;
}

interface Scope {
  limit: number;
  shards: number;
  lookAtMost: number;
}

/** As a shard answers: the nearest that match, of at most so many rows. */
function readShard(
  rows: readonly Ended[],
  key: EndPosition,
  leadsBack: boolean,
  atMost: number,
  most: number,
) {
  const compare = (a: EndPosition, b: EndPosition) => (leadsBack ? compareEnds(b, a) : compareEnds(a, b));
  const beyond = rows
    .filter((row) => compare(row.position, key) > 0)
    .sort((a, b) => compare(a.position, b.position));
  const found: Ended[] = [];
  const looked = beyond.slice(0, most);
  for (const [i, row] of looked.entries()) {
    if (row.matches) found.push(row);
    if (found.length === atMost) return { found, looked: i + 1, readTo: row.position };
  }
  const isAll = looked.length < most;
  return { found, looked: looked.length, readTo: isAll ? null : (looked.at(-1)?.position ?? key) };
}

function readPage(rows: readonly Ended[], from: EndedFrom, scope: Scope) {
  const known = Array.from(
    { length: scope.shards },
    (): ShardEnds<Ended> => ({ found: [], readTo: from.key }),
  );
  let page = endedPage(from, known, scope.limit);
  let looked = 0;
  for (let rounds = 0; ; rounds += 1) {
    const reads = readsForPage(page, scope, { rounds, looked });
    if (reads === null) return { ...page, looked };
    for (const i of reads.shards) {
      const { found, readTo } = known[i] ?? { found: [], readTo: null };
      const ofShard = rows.filter(({ shard }) => shard === i);
      const more = readShard(ofShard, readTo ?? from.key, from.leadsBack, reads.atMost, reads.lookAtMost);
      looked += more.looked;
      known[i] = { found: [...found, ...more.found], readTo: more.readTo };
    }
    page = endedPage(from, known, scope.limit);
  }
}
type Shown = ReturnType<typeof readPage>;

const onward = (page: Shown): EndedFrom | null =>
  page.next && { key: page.next, leadsBack: false, isStart: false };
const backward = (page: Shown): EndedFrom | null =>
  page.previous && { key: page.previous, leadsBack: true, isStart: false };

/** The pages beyond one, the nearest first. */
function walk(page: Shown, step: typeof onward, read: (from: EndedFrom) => Shown): Shown[] {
  const pages: Shown[] = [];
  for (let from = step(page); from !== null; from = step(pages.at(-1) ?? page)) {
    expect(pages.length).toBeLessThan(200);
    pages.push(read(from));
  }
  return pages;
}

const shardCount = 4;
const world = fc.uniqueArray(
  fc.record({
    shard: fc.integer({ min: 0, max: shardCount - 1 }),
    position: fc.record({
      endedAt: fc.integer({ min: 0, max: 12 }),
      fencingToken: fc.integer({ min: 1, max: 6 }),
    }),
    matches: fc.boolean(),
  }),
  { maxLength: 50, selector: (row) => key(row.position) },
);
const scope = fc.record({
  limit: fc.integer({ min: 1, max: 7 }),
  shards: fc.constant(shardCount),
  lookAtMost: fc.oneof(fc.integer({ min: 1, max: 30 }), fc.constant(1_000)),
});
const shownIn = (pages: readonly Shown[]) =>
  pages.flatMap(({ shown }) => shown).map((row) => key(row.position));

test("what is before a page, on it and after it is all of the list, each once, wherever one has gone to and fro", () => {
  const steps = fc.array(fc.boolean(), { maxLength: 12 });
  // After each page that is read, some that were there go, and some that were not come.
  const changes = fc.array(fc.array(fc.nat(49), { maxLength: 3 }), { maxLength: 20 });
  const absentFirst = fc.array(fc.nat(49), { maxLength: 10 });
  fc.assert(
    fc.property(world, scope, steps, changes, absentFirst, (all, within, ways, later, absent) => {
      const present = all.map((_, i) => !absent.includes(i));
      let reads = 0;
      const read = (from: EndedFrom) => {
        const page = readPage(
          all.filter((_, i) => present[i]),
          from,
          within,
        );
        expect(page.shown.length).toBeLessThanOrEqual(within.limit);
        expect(page.shown).toEqual(page.shown.toSorted((a, b) => compareEnds(a.position, b.position)));
        for (const i of later[reads] ?? []) present[i] = !present[i];
        reads += 1;
        return page;
      };
      let page = read(start);
      expect(page.previous).toBeNull();
      for (const leadsBack of ways) {
        const from = leadsBack ? backward(page) : onward(page);
        if (from !== null) page = read(from);
      }
      const back = walk(page, backward, read).reverse();
      const listed = shownIn([...back, page, ...walk(page, onward, read)]);
      expect(new Set(listed).size).toBe(listed.length);
      const changed = new Set([...absent, ...later.flat()]);
      const stayed = all
        .filter((row, i) => row.matches && !changed.has(i))
        .sort((a, b) => compareEnds(a.position, b.position))
        .map((row) => key(row.position));
      expect(listed.filter((one) => stayed.includes(one))).toEqual(stayed);
    }),
    { numRuns: 1_000 },
  );
});

test("a page is the same whichever way it was reached, where none stops at its bound of looking", () => {
  fc.assert(
    fc.property(world, scope, (all, { limit, shards }) => {
      const read = (from: EndedFrom) => readPage(all, from, { limit, shards, lookAtMost: 1_000 });
      const first = read(start);
      const pages = [first, ...walk(first, onward, read)];
      const last = pages.at(-1) ?? first;
      const plain = (page: Shown) => ({ shown: page.shown, next: page.next, previous: page.previous });
      const back = [...walk(last, backward, read).reverse(), last];
      expect(back.map(plain)).toEqual(pages.map(plain));
    }),
  );
});

test("a page of 50 looks at 96 rows of 32 shards where they have as many each, forward and back", () => {
  const rows = Array.from({ length: 640 }, (_, i) => ({
    shard: i % 32,
    position: { endedAt: i, fencingToken: 1 },
    matches: true,
  }));
  const within = { limit: 50, shards: 32, lookAtMost: 1_000 };
  for (const [isStart, leadsBack] of [
    [true, false],
    [false, false],
    [false, true],
  ] as const) {
    const at = { key: { endedAt: isStart ? 1_000 : 320, fencingToken: 1 }, leadsBack, isStart };
    const page = readPage(rows, at, within);
    expect([page.shown.length, page.looked]).toEqual([50, 96]);
  }
});

test("shards are asked for their share, for twice that, and for the whole page, and no more once enough was looked at", () => {
  const within = { limit: 50, shards: 32, lookAtMost: 1_000 };
  const atMost = (rounds: number, looked = 0) =>
    readsForPage({ behind: [7] }, within, { rounds, looked })?.atMost;
  expect([0, 1, 2, 3].map((rounds) => atMost(rounds))).toEqual([3, 6, 51, undefined]);
  expect([999, 1_000].map((looked) => atMost(1, looked))).toEqual([6, undefined]);
  expect(readsForPage({ behind: [] }, within, { rounds: 0, looked: 0 })).toBeNull();
});

test("from a page that shows nothing, what led to it is on the other side", () => {
  const nothing = [{ found: [], readTo: null }];
  const from = { key: { endedAt: 8, fencingToken: 5 }, isStart: false };
  expect(endedPage({ ...from, leadsBack: false }, nothing, 5).previous).toEqual({
    endedAt: 8,
    fencingToken: 4,
  });
  expect(endedPage({ ...from, leadsBack: true }, nothing, 5).next).toEqual({ endedAt: 8, fencingToken: 6 });
});
