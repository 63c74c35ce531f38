import { z } from "zod";
import { idempotencyKeyMaxCharacters } from "../../domain/limits.ts";
import { errorEnvelope } from "../../protocol/error-envelope.ts";
import { change, plan } from "../../protocol/v3/deploys.ts";
import { paramPattern } from "../path-params.ts";
import { planField, planValue } from "./plan.ts";
import { idempotencyKey, revisionTag } from "./preconditions.ts";
import type { Route } from "./route.ts";

/** The parts of an OpenAPI 3.1 document that are used here. */
export interface OpenApi {
  openapi: "3.1.0";
  info: { title: string; version: string };
  paths: Record<string, Record<string, Operation>>;
  components: {
    schemas: Record<string, JsonSchema>;
    securitySchemes: Record<string, { type: "http"; scheme: "bearer"; description: string }>;
  };
  [key: string]: unknown;
}

type JsonSchema = z.core.JSONSchema.BaseSchema;
type Content = Record<string, { schema: JsonSchema }>;

interface Operation {
  operationId: string;
  summary: string;
  security: Record<string, string[]>[];
  parameters: Parameter[];
  requestBody?: { required: boolean; content: Content };
  responses: Record<string, { description: string; content?: Content; links?: Record<string, Link> }>;
}

/** What can be requested next, with what is known from a request and its answer (OpenAPI 3.1, "Link Object"). */
interface Link {
  operationId: string;
  /** Of the other operation's path, each as a runtime expression. */
  parameters: Record<string, string>;
}

interface Parameter {
  name: string;
  in: "path" | "query" | "header";
  required: boolean;
  description?: string;
  schema: JsonSchema;
}

/** Describes the v3 API and the public routes, from the schemas that validate their requests. */
export function buildOpenApi(routes: readonly Route[]): OpenApi {
  const components = new Components();
  const paths: OpenApi["paths"] = {};
  const described = routes.filter(({ version }) => version === "v3" || version === "public");
  for (const route of described) {
    const path = route.path.replaceAll(/:([a-z_]+)/g, "{$1}");
    const method = route.method.toLowerCase();
    paths[path] = { ...paths[path], [method]: operation(route, described, components) };
  }
  return {
    openapi: "3.1.0",
    info: { title: "Slipway", version: "3" },
    paths,
    components: {
      schemas: components.schemas,
      securitySchemes: {
        token: { type: "http", scheme: "bearer", description: "An access token of the account" },
        root: { type: "http", scheme: "bearer", description: "The deployment's root token" },
        agent: { type: "http", scheme: "bearer", description: "A cluster's agent token" },
      },
    },
  };
}

function operation(route: Route, all: readonly Route[], components: Components): Operation {
  const failure: Content = { "application/json": { schema: components.add(errorEnvelope, "output") } };
  return {
    operationId: operationId(route),
    summary: route.summary,
    security: security(route),
    parameters: parameters(route, components),
    ...(route.body
      ? {
          requestBody: {
            required: !route.body.safeParse({}).success,
            content: { "application/json": { schema: components.add(route.body, "input") } },
          },
        }
      : {}),
    responses: {
      ...(route.plannable ? { 200: planned(components) } : {}),
      [route.status ?? 200]: { ...success(route, components), ...linksFrom(route, all) },
      ...(route.waits ? { 202: waiting(components) } : {}),
      ...(route.leadsTo === undefined ? {} : { 302: { description: route.leadsTo } }),
      default: { description: "What went wrong", content: failure },
    },
  };
}

function success(route: Route, components: Components): Operation["responses"][string] {
  if (route.produces) return { description: "OK", content: { [route.produces]: { schema: {} } } };
  if (!route.answer) return { description: "Done" };
  const answer = components.add(route.answer, "output");
  const canBePlan = route.plannable && (route.status ?? 200) === 200;
  const schema = canBePlan ? { anyOf: [answer, components.add(plan, "output")] } : answer;
  return { description: "OK", content: { "application/json": { schema } } };
}

function planned(components: Components): Operation["responses"][string] {
  const schema = components.add(plan, "output");
  return { description: "What would be done", content: { "application/json": { schema } } };
}

function waiting(components: Components): Operation["responses"][string] {
  const schema = components.add(change, "output");
  return { description: "It waits for approval", content: { "application/json": { schema } } };
}

/**
 * Links to every operation whose path is known from what the answer names and the request's own path, and that the same
 * token may call.
 */
function linksFrom(route: Route, all: readonly Route[]): Pick<Operation["responses"][string], "links"> {
  const { names } = route;
  if (!names) return {};
  const named = Object.entries(names).map(([name, pointer]) => [name, `$response.body#${pointer}`] as const);
  const own = paramsOf(route).map((name) => [name, `$request.path.${name}`] as const);
  const known = new Map([...own, ...named]);
  const links = all.filter((other) => {
    const wanted = paramsOf(other);
    return (
      mayFollow(route, other) &&
      wanted.some((name) => name in names) &&
      wanted.every((name) => known.has(name))
    );
  });
  return {
    links: Object.fromEntries(
      links.map((other): [string, Link] => {
        const parameters = paramsOf(other).map((name) => [name, known.get(name) ?? ""]);
        return [
          operationId(other),
          { operationId: operationId(other), parameters: Object.fromEntries(parameters) },
        ];
      }),
    ),
  };
}

function paramsOf({ path }: Route): string[] {
  return [...path.matchAll(/:([a-z_]+)/g)].map(([, name = ""]) => name);
}

function mayFollow(from: Route, to: Route): boolean {
  const own = JSON.stringify(security(from));
  const isOfAccount = from.access.kind !== "root" && to.access.kind === "any_token";
  return to.access.kind === "public" || isOfAccount || JSON.stringify(security(to)) === own;
}

/** `GET /v3/accounts/:account/tokens` is `get_accounts_tokens`, one with a parameter at its end `get_…_token_id`. */
function operationId({ method, path }: Route): string {
  const segments = path.split("/").filter((segment) => segment !== "" && segment !== "v3");
  const words = segments.flatMap((segment, i) => {
    if (!segment.startsWith(":")) return [segment.replaceAll(/[^a-z0-9]+/g, "_").replace(/^_/, "")];
    return i === segments.length - 1 ? [`by_${segment.slice(1)}`] : [];
  });
  return [method.toLowerCase(), ...words].join("_");
}

function security({ access }: Route): Operation["security"] {
  switch (access.kind) {
    case "public":
      return [];
    case "root":
      return [{ root: [] }];
    case "any_token":
      return [{ token: [] }, { agent: [] }];
    case "token":
      return access.action === "agent" ? [{ agent: [] }] : [{ token: [] }];
  }
}

function parameters(route: Route, components: Components): Parameter[] {
  const inPath = paramsOf(route).map((name) => ({
    name,
    in: "path" as const,
    required: true,
    schema: matching(paramPattern(name)),
  }));
  const query = route.query ? components.add(route.query, "input") : {};
  const inQuery = Object.entries(query.properties ?? {}).map(([name, schema]) => ({
    name,
    in: "query" as const,
    required: query.required?.includes(name) ?? false,
    schema: typeof schema === "boolean" ? {} : schema,
  }));
  const inHeader: Parameter[] = [];
  if (route.idempotent) {
    const schema = { ...matching(idempotencyKey), minLength: 1, maxLength: idempotencyKeyMaxCharacters };
    inHeader.push(header("Idempotency-Key", "Replays the first answer for 24 hours", schema));
  }
  if (route.conditional) {
    inHeader.push(header("If-Match", "The revision that is to be replaced", matching(revisionTag)));
  }
  return [...inPath, ...inQuery, ...(route.plannable ? [planParameter(components)] : []), ...inHeader];
}

function planParameter(components: Components): Parameter {
  const description = "Does nothing, and says what would be done";
  const schema = components.add(planValue, "input");
  return { name: planField, in: "query", required: false, description, schema };
}

function header(name: string, description: string, schema: JsonSchema): Parameter {
  return { name, in: "header", required: false, description, schema };
}

function matching(pattern: RegExp | undefined): JsonSchema {
  return { type: "string", ...(pattern === undefined ? {} : { pattern: pattern.source }) };
}

const localReference = "#/$defs/";
const componentReference = "#/components/schemas/";

/** The schemas with an id: each becomes a component, which others refer to. */
class Components {
  readonly schemas: Record<string, JsonSchema> = {};

  /** Describes a schema, or refers to its component where it has an id; schemas that it refers to become components. */
  add(schema: z.ZodType, io: "input" | "output"): JsonSchema {
    const described = z.toJSONSchema(schema, { io, override: leaveAnswersOpen });
    const { $schema, $defs, ...inline } = withComponentReferences(described);
    for (const [name, { id, ...definition }] of Object.entries($defs ?? {})) this.#keep(name, definition);
    return inline;
  }

  #keep(name: string, schema: JsonSchema) {
    const known = this.schemas[name];
    if (known && JSON.stringify(known) !== JSON.stringify(schema)) {
      throw new Error(`two schemas have the id ${name}`);
    }
    this.schemas[name] = schema;
  }
}

/** Only strict objects refuse unknown fields: answers may gain fields, which clients must ignore. */
function leaveAnswersOpen({
  zodSchema,
  jsonSchema,
}: {
  zodSchema: z.core.$ZodTypes;
  jsonSchema: JsonSchema;
}) {
  const { def } = zodSchema._zod;
  if (def.type === "object" && def.catchall === undefined) delete jsonSchema.additionalProperties;
}

function withComponentReferences(schema: JsonSchema): JsonSchema {
  return JSON.parse(JSON.stringify(schema), (key, value) =>
    key === "$ref" && typeof value === "string" && value.startsWith(localReference)
      ? componentReference + value.slice(localReference.length)
      : value,
  );
}
