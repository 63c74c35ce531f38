import type { Page } from "../../../protocol/v3/list.ts";

/** The query field of a list's page, where a page has one list. */
const cursorField = "cursor";

/**
 * Links to the pages of a list on either side; from a page where nothing is any more, to the first one.
 * @param query the fields that the links keep @param field the query field of the list's cursor
 * @param what names the list for those who do not see where the links stand
 */
export function Paging({
  path,
  query,
  list: { next, previous },
  field = cursorField,
  what,
  back = `Previous ${what}`,
  forward = `More ${what}`,
}: {
  path: string;
  query: URLSearchParams;
  list: Omit<Page<unknown>, "items">;
  field?: string;
  what: string;
  back?: string;
  forward?: string;
}) {
  const isAlone = next === null && previous === null;
  if (isAlone && !query.has(field)) return null;
  return (
    <nav class="paging" aria-label={`Pages of ${what}`}>
      <ul>
        {previous === null ? null : <Link {...{ path, query, field }} cursor={previous} text={back} />}
        {next === null ? null : <Link {...{ path, query, field }} cursor={next} text={forward} />}
        {isAlone ? <Link {...{ path, query, field }} cursor={null} text={`The first ${what}`} /> : null}
      </ul>
    </nav>
  );
}

function Link({
  path,
  query,
  field,
  cursor,
  text,
}: {
  path: string;
  query: URLSearchParams;
  field: string;
  cursor: string | null;
  text: string;
}) {
  return (
    <li>
      <a href={pathWith(path, query, { [field]: cursor })}>{text}</a>
    </li>
  );
}

/** A page with another query: of these fields, those that are null are left out. */
export function pathWith(
  path: string,
  query: URLSearchParams,
  fields: Readonly<Record<string, string | null>>,
): string {
  const changed = new URLSearchParams(query);
  // Of the stream of the page, not of the page.
  changed.delete("live");
  for (const [name, value] of Object.entries(fields)) {
    if (value === null) changed.delete(name);
    else changed.set(name, value);
  }
  return changed.size === 0 ? path : `${path}?${changed}`;
}
