import { describe, expect, test } from "vitest";
import { z } from "zod";
import { buildOpenApi } from "../../../src/edge/api/openapi.ts";
import { routes } from "../../../src/edge/api/routes.ts";
import { webhookMessage } from "../../../src/protocol/webhooks/webhook.ts";
import { unboundedIn } from "../../support/bounds.ts";

/*
 * What a request says is bounded, field by field: what has no bound of its own ends up where it does not fit. JSON of the
 * client's own is bounded as a whole (`verifiedUserProblem`).
 */
const boundedAsAWhole = /^\.auth\b/;

const document = buildOpenApi(routes);
const components = Object.fromEntries(
  Object.entries(document.components.schemas).map(([id, schema]) => [`#/components/schemas/${id}`, schema]),
);

function unboundedOf(schema: z.ZodType): string[] {
  const { $defs = {}, ...described } = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  const definitions = Object.fromEntries(
    Object.entries($defs).map(([id, inner]) => [`#/$defs/${id}`, inner]),
  );
  return unboundedIn(described, definitions).filter((path) => !boundedAsAWhole.test(path));
}

describe("the check itself", () => {
  const text = { type: "string" } as const;
  test.each<[schema: z.core.JSONSchema.BaseSchema, found: string[]]>([
    [text, [""]],
    [{ ...text, maxLength: 3 }, []],
    [{ ...text, pattern: "^[a-z+*]{1,3}$" }, []],
    [{ ...text, pattern: "^[a-z]+$" }, [""]],
    [{ ...text, pattern: "^a{3,}$" }, [""]],
    [{ ...text, pattern: "a" }, [""]],
    [{ enum: ["a"] }, []],
    [{ properties: { a: text, b: { anyOf: [text, { type: "null" }] } } }, [".a", ".b"]],
    [{ type: "array", items: text }, ["[]", "[]"]],
    [{ propertyNames: text, additionalProperties: text }, ["{name}", "{}"]],
    [{ $ref: "#/a" }, [".c"]],
  ])("of %j finds %j", (schema, found) => {
    const itself: z.core.JSONSchema.BaseSchema = { properties: { c: text, again: { $ref: "#/a" } } };
    expect(unboundedIn(schema, { "#/a": itself })).toEqual(found);
  });
});

describe("every text and list has a bound", () => {
  const described = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, { requestBody }]) =>
      requestBody ? [[`${method} ${path}`, requestBody.content["application/json"]?.schema] as const] : [],
    ),
  );
  test.each(described)("in the description of the body of %s", (_, schema) => {
    expect(unboundedIn(schema ?? {}, components)).toEqual([]);
  });

  const withBody = routes.flatMap(({ method, path, body }) =>
    body ? [[`${method} ${path}`, body] as const] : [],
  );
  test.each(withBody)("in the body of %s", (_, body) => {
    expect(unboundedOf(body)).toEqual([]);
  });

  const withQuery = routes.flatMap(({ method, path, query }) =>
    query ? [[`${method} ${path}`, query] as const] : [],
  );
  test.each(withQuery)("in the query of %s", (_, query) => {
    expect(unboundedOf(query)).toEqual([]);
  });

  test("in webhooks, as an agent reads them", () => {
    expect(unboundedOf(webhookMessage)).toEqual([]);
  });
});
