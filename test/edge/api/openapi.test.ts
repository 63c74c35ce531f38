import { describe, expect, test } from "vitest";
import { idempotencyKeyMaxCharacters } from "../../../src/domain/limits.ts";
import { buildOpenApi } from "../../../src/edge/api/openapi.ts";
import { parseIfMatch, readIdempotency } from "../../../src/edge/api/preconditions.ts";
import { routes } from "../../../src/edge/api/routes.ts";
import { checkParams } from "../../../src/edge/path-params.ts";
import { apiOrigin, send } from "../../support/worker/api.ts";

const document = buildOpenApi(routes);
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
);

function references(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    key === "$ref" && typeof inner === "string" ? [inner] : references(inner),
  );
}

/** All patterns of a schema, wherever they stand in it. */
function patterns(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    key === "pattern" && typeof inner === "string" ? [inner] : patterns(inner),
  );
}

describe("the description of the API", () => {
  test("is served as it is built", async () => {
    const response = await send("/v3/openapi.json");
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual(JSON.parse(JSON.stringify(document)));
  });

  test("holds every v3 and public route, and no other", () => {
    const described = operations.map(({ method, path }) => `${method.toUpperCase()} ${path}`).sort();
    const wanted = routes
      .filter(({ version }) => version === "v3" || version === "public")
      .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, "{$1}")}`)
      .sort();
    expect(described).toEqual(wanted);
  });

  test("every reference resolves", () => {
    const known = Object.keys(document.components.schemas).map((id) => `#/components/schemas/${id}`);
    const used = references(document);
    expect(used.length).toBeGreaterThan(50);
    expect(used.filter((reference) => !known.includes(reference))).toEqual([]);
  });

  test("its patterns mean the same to readers in other languages, who know no classes of Unicode", () => {
    const used = patterns(document);
    expect(used.length).toBeGreaterThan(50);
    expect(used.filter((pattern) => /\\[pPku]|\(\?</.test(pattern))).toEqual([]);
  });

  test("every component is used", () => {
    const used = new Set(references(document));
    const unused = Object.keys(document.components.schemas).filter(
      (id) => !used.has(`#/components/schemas/${id}`),
    );
    expect(unused).toEqual([]);
  });

  test.each(operations.map(({ path, method, operation }) => [`${method} ${path}`, path, operation] as const))(
    "%s declares exactly the parameters of its path",
    (_, path, { parameters }) => {
      const declared = parameters.filter((parameter) => parameter.in === "path");
      expect(declared.map(({ name }) => name)).toEqual(
        [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name),
      );
      expect(declared.every(({ required }) => required)).toBe(true);
    },
  );

  test("operation ids are unique", () => {
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(ids.length).toBe(new Set(ids).size);
  });

  test("a body without required fields is optional, one with them is not", () => {
    const body = (path: string, method: string) => document.paths[path]?.[method]?.requestBody;
    expect(body("/v3/accounts/{account}/clusters/{cluster}", "patch")?.required).toBe(false);
    expect(body("/v3/accounts/{account}/clusters", "post")?.required).toBe(true);
    expect(body("/v3/accounts/{account}/clusters/{cluster}/test", "post")).toBeUndefined();
  });

  test("bodies of v3 refuse unknown fields, but for notifications and what agents send, who may be newer", () => {
    const open = operations.filter(({ operation }) => {
      const schema = operation.requestBody?.content["application/json"]?.schema;
      return schema && schema.additionalProperties !== false;
    });
    expect(open.map(({ path }) => path)).toEqual([
      "/v3/accounts/{account}/services/{service}/registry-events",
      "/v3/agent/backends/{id}/status",
      "/v3/agent/heartbeat",
    ]);
  });

  test("says what is accepted in headers and paths as it is judged", async () => {
    const parameters = operations.flatMap(({ operation }) => operation.parameters);
    const schemasOf = (name: string) => {
      const found = parameters
        .filter((parameter) => parameter.name === name && parameter.in !== "query")
        .map(({ schema }) => schema);
      expect(new Set(found.map((schema) => JSON.stringify(schema))).size).toBe(1);
      const { pattern = "", minLength = 0, maxLength = Number.POSITIVE_INFINITY } = found[0] ?? {};
      return (text: string) =>
        text.length >= minLength && text.length <= maxLength && new RegExp(pattern, "u").test(text);
    };
    const isKey = schemasOf("Idempotency-Key");
    const longest = "x".repeat(idempotencyKeyMaxCharacters);
    for (const key of ["a", "!~", longest, `${longest}x`, "a b", "a,b", ""]) {
      const read = await readIdempotency(
        new Request(apiOrigin, { headers: { "idempotency-key": key } }),
        undefined,
        "",
      );
      expect([key, isKey(key)]).toEqual([key, read.ok]);
    }
    const isTag = schemasOf("If-Match");
    for (const tag of ['"7"', "7", '"123456789012345"', "1234567890123456", '"7', "*", 'W/"7"', '""', "-1"]) {
      expect([tag, isTag(tag)]).toEqual([tag, parseIfMatch(tag).ok]);
    }
    for (const name of ["account", "service", "environment", "cluster", "digest"]) {
      const isOne = schemasOf(name);
      for (const text of ["a", "a-b", "-a", "A", "a".repeat(41), `sha256:${"a".repeat(64)}`, "sha256:a"]) {
        expect([name, text, isOne(text)]).toEqual([name, text, checkParams({ [name]: text }).ok]);
      }
    }
  });

  test("says which operations need which token, and which can be repeated", () => {
    const pin =
      document.paths["/v3/accounts/{account}/services/{service}/environments/{environment}/pin"]?.put;
    expect(pin?.security).toEqual([{ token: [] }]);
    expect(pin?.parameters.map(({ name }) => name)).toContain("If-Match");
    const create = document.paths["/v3/accounts"]?.post;
    expect(create?.security).toEqual([{ root: [] }]);
    expect(create?.parameters.map(({ name }) => name)).toContain("Idempotency-Key");
    expect(create?.responses).toHaveProperty("201");
  });
});
