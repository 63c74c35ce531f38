import { fail, ok, type Result } from "../domain/result.ts";
import type { ListQuery, Page } from "../protocol/v3/list.ts";

/** A place between two items of a list: beyond this key in the list's order or, leading back, against it. */
export interface Position<Key> {
  key: Key;
  leadsBack: boolean;
  /** Whether nothing can be behind it: the list begins here. */
  isStart: boolean;
}

/** The keys that a list is ordered by. */
export interface Keys<Key> {
  /** One before all others. */
  start: Key;
  /** Reads a key as a cursor has it; null where it is none. */
  parse(text: string): Key | null;
}

/** Numbers that only increase, the greatest first; and the least first. */
export const newestFirst: Keys<number> = { start: Number.MAX_SAFE_INTEGER, parse: parseSequence };
export const oldestFirst: Keys<number> = { start: 0, parse: parseSequence };

function parseSequence(text: string): number | null {
  return /^[1-9]\d{0,14}$/.test(text) ? Number(text) : null;
}

/** How a list is read. */
export interface Listed<Key, Row, Item> {
  /** Rows beyond a position, the nearest first. */
  read(from: Position<Key>, atMost: number): readonly Row[];
  keyOf(row: Row): Key;
  item(row: Row): Item;
}

/** No key begins so. */
const back = "~";

/** The cursor of the page that comes before a key. */
export function cursorBack(key: string | number): string {
  return `${back}${key}`;
}

/** Reads a cursor; `bad_request` for one that no list of these keys gave. */
export function readCursor<Key>(
  { cursor }: Pick<ListQuery, "cursor">,
  keys: Keys<Key>,
): Result<Position<Key>> {
  if (cursor === undefined) return ok({ key: keys.start, leadsBack: false, isStart: true });
  const leadsBack = cursor.startsWith(back);
  const key = keys.parse(leadsBack ? cursor.slice(back.length) : cursor);
  if (key === null) return fail("bad_request", "`cursor` is not one that a list gave");
  return ok({ key, leadsBack, isStart: false });
}

/** The page of a list that a query names. */
export function pageOf<Key extends number | string, Row, Item>(
  query: ListQuery,
  keys: Keys<Key>,
  listed: Listed<Key, Row, Item>,
): Result<Page<Item>> {
  const position = readCursor(query, keys);
  return position.ok ? ok(pageAt(position.value, query.limit, listed)) : position;
}

/** The page at a position. */
export function pageAt<Key extends number | string, Row, Item>(
  position: Position<Key>,
  limit: number,
  listed: Listed<Key, Row, Item>,
): Page<Item> {
  const isAny = (from: Position<Key>) => listed.read(from, 1).length > 0;
  return pageFrom(position, limit, listed.read(position, limit + 1), { ...listed, isAny });
}

/**
 * Makes a page of what was read from a position, one more than the page holds.
 * @param listed `isAny`: whether there is something beyond a position
 */
export function pageFrom<Key extends number | string, Row, Item>(
  { leadsBack, isStart }: Position<Key>,
  limit: number,
  found: readonly Row[],
  {
    keyOf,
    item,
    isAny,
  }: Pick<Listed<Key, Row, Item>, "keyOf" | "item"> & { isAny(from: Position<Key>): boolean },
): Page<Item> {
  const nearest = found.slice(0, limit);
  const rows = leadsBack ? nearest.reverse() : nearest;
  const [first] = rows;
  const last = rows.at(-1);
  if (first === undefined || last === undefined) return { items: [], next: null, previous: null };
  const isMore = found.length > limit;
  const edge = keyOf(leadsBack ? last : first);
  const isBehind = !isStart && isAny({ key: edge, leadsBack: !leadsBack, isStart: false });
  return {
    items: rows.map(item),
    next: (leadsBack ? isBehind : isMore) ? String(keyOf(last)) : null,
    previous: (leadsBack ? isMore : isBehind) ? cursorBack(keyOf(first)) : null,
  };
}
