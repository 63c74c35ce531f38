import type { z } from "zod";

type Schema = z.core.JSONSchema._JSONSchema;

/** Whether a pattern allows texts of any length: whether it repeats anything without an end. */
function isEndless(pattern: string): boolean {
  const repeated = pattern.replace(/\\./g, "x").replace(/\[[^\]]*\]/g, "x");
  return /[*+]|\{\d+,\}/.test(repeated) || !(pattern.startsWith("^") && pattern.endsWith("$"));
}

/**
 * The texts and lists in a JSON schema that may have any length, by their paths.
 * @param definitions what it refers to, by the reference
 * @example unboundedIn({ properties: { a: { type: "string" } } }, {}) // [".a"]
 */
export function unboundedIn(
  schema: Schema,
  definitions: Readonly<Record<string, Schema>>,
  path = "",
): string[] {
  if (typeof schema === "boolean") return [];
  if (typeof schema.$ref === "string") {
    const { [schema.$ref]: referred, ...others } = definitions;
    // Of what refers to itself, once around.
    return referred ? unboundedIn(referred, others, path) : [];
  }
  const inside = [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])];
  const { propertyNames, additionalProperties, items } = schema;
  const isText = schema.type === "string" && schema.enum === undefined && schema.const === undefined;
  const patterns = [schema, ...(schema.allOf ?? [])].flatMap((one) =>
    typeof one === "object" && one.pattern !== undefined ? [one.pattern] : [],
  );
  const isBoundedText = schema.maxLength !== undefined || patterns.some((pattern) => !isEndless(pattern));
  return [
    ...(isText && !isBoundedText ? [path] : []),
    ...(schema.type === "array" && schema.maxItems === undefined ? [`${path}[]`] : []),
    ...inside.flatMap((one) => unboundedIn(one, definitions, path)),
    ...Object.entries(schema.properties ?? {}).flatMap(([name, field]) =>
      unboundedIn(field, definitions, `${path}.${name}`),
    ),
    ...(propertyNames ? unboundedIn(propertyNames, definitions, `${path}{name}`) : []),
    ...(typeof additionalProperties === "object"
      ? unboundedIn(additionalProperties, definitions, `${path}{}`)
      : []),
    ...[items ?? []].flat().flatMap((item) => unboundedIn(item, definitions, `${path}[]`)),
  ];
}
