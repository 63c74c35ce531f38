import { describe, expect } from "vitest";
import { z } from "zod";
import { buildOpenApi } from "../../../src/edge/api/openapi.ts";
import { routes } from "../../../src/edge/api/routes.ts";
import { isolatedClusterTest as test } from "../../support/worker/worker-test.ts";
import { type Promised, prepare, promised, succeed } from "../support/drive.ts";
import { makeWorld, pathIn, spareDigest } from "../support/world.ts";

const document = buildOpenApi(routes);

/** The operations of the document, each with its route. */
const operations = promised.flatMap((of) => {
  const path = of.route.path.replaceAll(/:(\w+)/g, "{$1}");
  const operation = document.paths[path]?.[of.route.method.toLowerCase()];
  return operation ? [{ ...of, operation }] : [];
});
const byId = new Map(operations.map((of) => [of.operation.operationId, of]));

const sources = operations.flatMap((of) => {
  const links = Object.values(of.operation.responses[`${of.route.status ?? 200}`]?.links ?? {});
  return links.length === 0 ? [] : [{ ...of, links }];
});

/** A source that may be ended by what follows it: not what the world needs. */
function ownThing({ route: { path } }: Promised): Record<string, string> {
  if (path.endsWith(":cluster")) return { cluster: "spare" };
  return path.endsWith(":digest") ? { digest: spareDigest } : {};
}

/** The value of a runtime expression. */
function valueAt(expression: string, request: Record<string, string>, answer: unknown): string {
  const [, name] = /^\$request\.path\.(\w+)$/.exec(expression) ?? [];
  if (name !== undefined) return request[name] ?? "";
  const [, pointer = ""] = /^\$response\.body#((?:\/\w+)+)$/.exec(expression) ?? [];
  const value = pointer
    .split("/")
    .slice(1)
    .reduce<unknown>(
      (inner, key) =>
        typeof inner === "object" && inner !== null
          ? Object.getOwnPropertyDescriptor(inner, key)?.value
          : undefined,
      answer,
    );
  return z.string().parse(value);
}

function paramsOf(path: string, filled: string): Record<string, string> {
  const values = filled.split("/");
  return Object.fromEntries(
    path.split("/").flatMap((part, i) => (part.startsWith(":") ? [[part.slice(1), values[i] ?? ""]] : [])),
  );
}

describe("the links of the description", () => {
  test.for(sources)("lead to operations, with all their paths' parameters: $name", ({ links }) => {
    for (const { operationId, parameters } of links) {
      const target = byId.get(operationId);
      const wanted = target?.operation.parameters.filter((parameter) => parameter.in === "path") ?? [];
      expect(target?.name).toBeDefined();
      expect(Object.keys(parameters)).toEqual(wanted.map(({ name }) => name));
    }
  });

  test("lead from each creation, and from each look, to everything that can be done next", () => {
    const v3 = operations.filter(({ route }) => route.version === "v3");
    const unlinked = v3.flatMap(({ name: source, route }) => {
      const isMade = route.method === "POST" && v3.some((other) => isBelow(other.route.path, route.path));
      const isLook = route.method === "GET" && /:\w+$/.test(route.path);
      if (!isMade && !isLook) return [];
      const linked =
        sources.find(({ name }) => name === source)?.links.map(({ operationId }) => operationId) ?? [];
      const item = isMade ? `${route.path}/:` : route.path;
      const isOfRoot = (one: Pick<typeof route, "access">) => one.access.kind === "root";
      const next = v3
        // What takes another credential cannot be done next.
        .filter((other) => isOfRoot(other.route) === isOfRoot(route))
        .filter(({ route: { method, path } }) =>
          isMade ? isBelow(path, route.path) : path === item && method !== "GET",
        );
      return next.flatMap(({ operation: { operationId } }) =>
        linked.includes(operationId) ? [] : [`${source} to ${operationId}`],
      );
    });
    expect(unlinked).toEqual([]);
  });

  test("name everything that a path needs", () => {
    const named = new Set(
      sources.flatMap(({ links }) =>
        links
          .flatMap(({ parameters }) => Object.entries(parameters))
          .flatMap(([name, expression]) => (expression.startsWith("$response") ? [name] : [])),
      ),
    );
    const needed = operations.flatMap(({ route: { version, path, access } }) =>
      version === "v3" && (access.kind !== "token" || access.action !== "agent")
        ? [...path.matchAll(/:(\w+)/g)].map(([, name = ""]) => name)
        : [],
    );
    expect([...new Set(needed)].filter((name) => name !== "account" && !named.has(name))).toEqual([]);
  });

  /** Whether it is the end of what it acts on. */
  const isEnd = ({ operationId }: { operationId: string }) =>
    /^delete_|_(reject|withdraw|stop)$/.test(operationId);
  /** Of several ends of one thing each is the only one. */
  const attempts = sources.flatMap((of) => {
    const ends = of.links.filter(isEnd);
    const others = of.links.filter((link) => !isEnd(link));
    return ends.length < 2
      ? [{ ...of, title: of.name, links: [...others, ...ends] }]
      : ends.map((end, i) => ({
          ...of,
          links: [...(i === 0 ? others : []), end],
          title: `${of.name}, and ${end.operationId}`,
        }));
  });

  test.for(attempts)("can be followed: $title", async (of) => {
    const world = await makeWorld();
    await pathIn(world, ":token_id/:session_id/:delivery");
    const { path, send } = await prepare(world, of, ownThing(of));
    const answer: unknown = JSON.parse(await succeed(of, await send()));
    const request = paramsOf(of.route.path, path);
    for (const link of of.links) {
      const target = byId.get(link.operationId);
      if (!target) throw new Error(`there is no ${link.operationId}`);
      const at = Object.entries(link.parameters).map(([name, from]) => [
        name,
        valueAt(from, request, answer),
      ]);
      const next = await prepare(world, target, Object.fromEntries(at));
      await succeed(target, await next.send());
    }
  });
});

/** Whether a path is that of one thing of a list, `/services/:service` of `/services`. */
function isBelow(path: string, list: string): boolean {
  return path.startsWith(`${list}/:`) && !path.slice(list.length + 2).includes("/");
}
