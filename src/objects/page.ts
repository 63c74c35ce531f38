import { fail, ok, type Result } from "../domain/result.ts";
import type { ListQuery, Page } from "../protocol/v3/list.ts";

/** Reads a cursor: the sequence number below which a page begins. */
export function pageStart(query: Pick<ListQuery, "cursor">): Result<number> {
  if (query.cursor === undefined) return ok(Number.MAX_SAFE_INTEGER);
  if (!/^[1-9]\d{0,14}$/.test(query.cursor))
    return fail("bad_request", "`cursor` is not one that a list gave");
  return ok(Number(query.cursor));
}

/**
 * Makes a page of rows that were read newest first, one more than the page holds.
 * @param sequence what orders the rows
 */
export function toPage<Row, Item>(
  rows: readonly Row[],
  limit: number,
  sequence: (row: Row) => number | string,
  item: (row: Row) => Item,
): Page<Item> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return {
    items: shown.map(item),
    next: rows.length > limit && last !== undefined ? String(sequence(last)) : null,
  };
}
