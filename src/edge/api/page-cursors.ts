import type { Page } from "../../protocol/v3/list.ts";

/** The `next_cursor` of a list answer, left out on the last page, and its `previous_cursor`, left out on the first. */
export function pageCursors({ next, previous }: Omit<Page<unknown>, "items">): {
  next_cursor?: string;
  previous_cursor?: string;
} {
  return {
    ...(next === null ? {} : { next_cursor: next }),
    ...(previous === null ? {} : { previous_cursor: previous }),
  };
}
