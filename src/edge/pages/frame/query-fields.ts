/** The known fields of a page's query; a filter field that was left empty counts as absent. */
export function queryFields(query: URLSearchParams, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const text = query.get(name);
      return text === null || text === "" ? [] : [[name, text]];
    }),
  );
}
