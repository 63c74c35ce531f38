import { searchMaxCharacters } from "../../../domain/limits.ts";
import type { Page } from "../../../protocol/v3/list.ts";
import { pathWith } from "./paging.tsx";

/**
 * The field in which one looks for something in a list, where all of that is not on the page.
 * @param label what is looked for, and how @param search what is shown is narrowed to
 * @param query the fields that it keeps, but for `cursors`: it begins at the first page
 */
export function SearchForm({
  path,
  query,
  list,
  search,
  label,
  cursors = ["cursor"],
}: {
  path: string;
  query: URLSearchParams;
  list: Omit<Page<unknown>, "items">;
  search: string | undefined;
  label: string;
  cursors?: readonly string[];
}) {
  if (search === undefined && list.next === null && list.previous === null) return null;
  const left = ["live", "search", ...cursors];
  const kept = [...query].filter(([name]) => !left.includes(name));
  const all = pathWith(path, query, Object.fromEntries(left.map((name) => [name, null])));
  return (
    // A morph must not reset what the visitor is writing.
    <search id="search" hx-morph-skip="">
      <form method="get" action={path} class="filter">
        {kept.map(([name, value]) => (
          <input type="hidden" name={name} value={value} />
        ))}
        <SearchField label={label} search={search} />
        <div>
          <button type="submit">Search</button>
          {search === undefined ? null : (
            <>
              {" "}
              <a href={all}>Show all</a>
            </>
          )}
        </div>
      </form>
    </search>
  );
}

/** The field itself, for a form that has others. @param begins the beginnings of which it finds */
export function SearchField({
  label,
  begins,
  search,
}: {
  label: string;
  begins?: string;
  search: string | undefined;
}) {
  return (
    <label>
      <span>{label}</span>
      <input
        type="search"
        name="search"
        value={search ?? ""}
        placeholder={begins}
        maxlength={searchMaxCharacters}
        autocomplete="off"
        spellcheck={false}
      />
    </label>
  );
}
