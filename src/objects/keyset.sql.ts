/** How to read rows beyond a key, the nearest first: `WHERE ${past} ORDER BY ${order}`. */
export interface Keyset {
  /** The key is the statement's first value. */
  past: string;
  order: string;
}

/** @param column unique, and indexed */
export function keyset(column: string, isAscending: boolean): Keyset {
  return isAscending
    ? { past: `${column} > ?1`, order: column }
    : { past: `${column} < ?1`, order: `${column} DESC` };
}

/**
 * How to read what begins with a text, in the order of the column: `WHERE ${within} ORDER BY ${order}`, with the values of
 * `valuesBeyond` first.
 */
export function namesBeyond(column: string, leadsBack: boolean): { within: string; order: string } {
  return {
    within: `${column} >= ?1 AND ${column} < ?2 AND ${column} != ?3`,
    order: leadsBack ? `${column} DESC` : column,
  };
}

/** @param from what is beyond it; an empty key: all */
export function valuesBeyond(
  prefix: string,
  { key, leadsBack }: { key: string; leadsBack: boolean },
): [from: string, to: string, except: string] {
  // Greater than every text that begins so, since no name has this character.
  const end = `${prefix}\uffff`;
  if (key === "") return [prefix, end, ""];
  if (leadsBack) return [prefix, key < end ? key : end, ""];
  return [key > prefix ? key : prefix, end, key];
}
