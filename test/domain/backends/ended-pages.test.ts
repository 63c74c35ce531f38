import fc from "fast-check";
import { expect, test } from "vitest";
import {
  compareEnds,
  type EndPosition,
  endedPage,
  type ShardEnds,
} from "../../../src/domain/backends/ended-pages.ts";

const position = fc.record({
  endedAt: fc.integer({ min: 0, max: 20 }),
  fencingToken: fc.integer({ min: 0, max: 1000 }),
});
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
        const begin = { endedAt: 100, fencingToken: 0 };
        const sorted = all.map((ends) => ends.toSorted(compareEnds));
        const wanted = sorted.flat().sort(compareEnds);
        const counts = sorted.map(() => 0);
        const known = () => sorted.map((ends, i) => readUpTo(ends, counts[i] ?? 0, begin));
        let page = endedPage(known(), limit);
        for (let round = 0; page.behind.length > 0; round += 1) {
          // Whatever is shown before the page is full is a part of it.
          expect(page.shown.map(({ position: at }) => at)).toEqual(wanted.slice(0, page.shown.length));
          expect(round).toBeLessThan(20);
          for (const i of page.behind) counts[i] = (counts[i] ?? 0) + step;
          page = endedPage(known(), limit);
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
  expect(endedPage(shards, 3)).toEqual({
    shown: [end(9), end(8)],
    next: { endedAt: 8, fencingToken: 1 },
    behind: [1],
  });
});

test("a shard that is read beyond the one after the page is not read further", () => {
  const shards = [
    { found: [end(9), end(8)], readTo: { endedAt: 8, fencingToken: 1 } },
    { found: [end(2)], readTo: { endedAt: 2, fencingToken: 1 } },
  ];
  expect(endedPage(shards, 1)).toEqual({ shown: [end(9)], next: end(9).position, behind: [] });
});

test("without a shard that has more there is no next page", () => {
  expect(endedPage([{ found: [], readTo: null }], 5)).toEqual({ shown: [], next: null, behind: [] });
});
