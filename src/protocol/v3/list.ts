import { z } from "zod";
import { listLimitDefault, listLimitMax } from "../../domain/limits.ts";

/** `?limit` and `?cursor` of a list. A cursor is the `next_cursor` of the page before, and opaque to clients. */
export const listQuery = z.strictObject({
  limit: z.coerce
    .number()
    .pipe(z.int().min(1).max(listLimitMax))
    .default(listLimitDefault)
    .describe(`1 to ${listLimitMax}`),
  cursor: z.string().max(200).optional(),
});
export type ListQuery = z.infer<typeof listQuery>;

/** One page of a list: `next` is where the following one begins, null on the last. */
export interface Page<T> {
  items: T[];
  next: string | null;
}

/**
 * The answer schema of a list whose items stand under `field`. `next_cursor` is left out on the last page.
 * @example listAnswer("tokens", token) // { tokens: Token[], next_cursor?: string }
 */
export function listAnswer<Field extends string, Item extends z.ZodType>(field: Field, item: Item) {
  const items: Record<Field, z.ZodArray<Item>> = { [field]: z.array(item) } as Record<
    Field,
    z.ZodArray<Item>
  >;
  return z.object({ ...items, next_cursor: z.string().optional() });
}
