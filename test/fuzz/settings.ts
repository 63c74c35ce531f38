import type { World } from "./world.ts";

/** How often a request names what there is, rather than what comes up. */
const probability = 0.8;

/**
 * `always`: a path holds names of what there is, the first of each, and only the rest of a request is generated;
 * `mostly`: other names come up too.
 */
export type Naming = "always" | "mostly";

/** What ends a thing, or makes it useless to the other operations: sent to what can be spared. */
const ending = [
  { ends: "account", method: "PATCH", path: "/v3/accounts/{account}" },
  { ends: "service", method: "DELETE", path: "/v3/accounts/{account}/services/{service}" },
  {
    ends: "environment",
    method: "DELETE",
    path: "/v3/accounts/{account}/services/{service}/environments/{environment}",
  },
  { ends: "cluster", method: "DELETE", path: "/v3/accounts/{account}/clusters/{cluster}" },
  { ends: "cluster", method: "PATCH", path: "/v3/accounts/{account}/clusters/{cluster}" },
  { ends: "cluster", method: "POST", path: "/v3/accounts/{account}/clusters/{cluster}/rotate-secret" },
] as const;

/** The settings of Schemathesis (`schemathesis.toml`). */
export function settingsOf(
  { tokens, names, spares }: World,
  naming: Naming,
  without: readonly string[],
): string {
  return [
    // A stream goes on until its reader leaves.
    "max-stream-events = 3",
    ...Object.entries(tokens).flatMap(([scheme, bearer]) => table(`auth.openapi.${scheme}`, { bearer })),
    ...Object.entries(names).flatMap(([name, values]) => table(`dictionaries.${name}`, { values })),
    ...Object.entries(spares).flatMap(([name, values]) => table(`dictionaries.spare_${name}`, { values })),
    ...table("parameters", boundTo(names, "", naming)),
    ...without.flatMap((operation) => [
      "[[operations]]",
      `include-name = ${JSON.stringify(operation)}`,
      "enabled = false",
    ]),
    ...ending.flatMap(({ ends, method, path }) => [
      "[[operations]]",
      `include-name = ${JSON.stringify(`${method} ${path}`)}`,
      ...table("operations.parameters", boundTo({ [ends]: spares[ends] }, "spare_", naming)),
    ]),
  ].join("\n");
}

function table(name: string, fields: Readonly<Record<string, unknown>>): string[] {
  return [
    `[${name}]`,
    ...Object.entries(fields).map(([key, value]) => `${JSON.stringify(key)} = ${inline(value)}`),
  ];
}

function boundTo(values: World["names"], prefix: string, naming: Naming): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(values).map(([name, [first]]) => [
      `path.${name}`,
      naming === "always" ? first : { dictionary: prefix + name, probability },
    ]),
  );
}

/** JSON is TOML, but for its objects. */
function inline(value: unknown): string {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return JSON.stringify(value);
  return `{ ${Object.entries(value)
    .map(([key, inner]) => `${key} = ${inline(inner)}`)
    .join(", ")} }`;
}
