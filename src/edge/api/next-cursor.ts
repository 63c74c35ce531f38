import type { Page } from "../../protocol/v3/list.ts";

/** The `next_cursor` of a list answer; left out on the last page. */
export function nextCursor({ next }: Pick<Page<unknown>, "next">): { next_cursor?: string } {
  return next === null ? {} : { next_cursor: next };
}
