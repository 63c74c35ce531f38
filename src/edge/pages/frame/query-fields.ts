/** Of a page's query what it knows; a field of its filter that was left empty is one that was not given. */
export function queryFields(query: URLSearchParams, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const text = query.get(name);
      return text === null || text === "" ? [] : [[name, text]];
    }),
  );
}
