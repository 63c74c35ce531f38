import { z } from "zod";
import { listLimitDefault, listLimitMax, searchMaxCharacters } from "../../domain/limits.ts";
import { line } from "../primitives.ts";

/** `?limit` and `?cursor` of a list. A cursor is what a page gave as the one of its next or previous page, and opaque to clients. */
export const listQuery = z.strictObject({
  limit: z.coerce
    .number()
    .pipe(z.int().min(1).max(listLimitMax))
    .default(listLimitDefault)
    .describe(`1 to ${listLimitMax}`),
  cursor: z.string().max(200).optional().describe("The `next_cursor` or `previous_cursor` of a page"),
});
export type ListQuery = z.infer<typeof listQuery>;

/** What is looked for in a list. */
export const searchText = line(searchMaxCharacters).trim().min(1);

/** The same of a list in which one can look for something. @param finds what it looks for, for the API's description */
export function searchQuery(finds: string) {
  return listQuery.extend({ search: searchText.optional().describe(finds) });
}
export type SearchQuery = z.infer<ReturnType<typeof searchQuery>>;

/** One page of a list, with the cursors of those on either side; null on the last, and on the first. */
export interface Page<T> {
  items: T[];
  next: string | null;
  previous: string | null;
}

/**
 * The answer schema of a list whose items stand under `field`. `next_cursor` is left out on the last page, and
 * `previous_cursor` on the first.
 * @example listAnswer("tokens", token) // { tokens: Token[], next_cursor?: string, previous_cursor?: string }
 */
export function listAnswer<Field extends string, Item extends z.ZodType>(field: Field, item: Item) {
  const items: Record<Field, z.ZodArray<Item>> = { [field]: z.array(item) } as Record<
    Field,
    z.ZodArray<Item>
  >;
  return z.object({ ...items, next_cursor: z.string().optional(), previous_cursor: z.string().optional() });
}
