import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { ok } from "../../../src/domain/result.ts";
import { publicAccess } from "../../../src/edge/admission/access.ts";
import { buildOpenApi } from "../../../src/edge/api/openapi.ts";
import { defineRoute } from "../../../src/edge/api/route.ts";
import { createApp } from "../../../src/edge/app.ts";
import { apiOrigin } from "../../support/worker/api.ts";

const answer = z.object({ plan: z.boolean(), key: z.string().nullable(), depth: z.string().nullable() });

/** A route that says what its handler was given. */
const plannable = defineRoute({
  method: "POST",
  path: "/x",
  version: "v3",
  access: publicAccess,
  query: z.strictObject({ depth: z.string().optional() }),
  body: z.strictObject({}),
  answer,
  idempotent: true,
  plannable: true,
  summary: "Says what it was given",
  handle: ({ plan, query, idempotency }) =>
    ok({ plan, key: idempotency?.key ?? null, depth: query.depth ?? null }),
});

async function answerTo(query: string): Promise<unknown> {
  const headers = { "idempotency-key": "k", "content-type": "application/json" };
  const request = new Request(`${apiOrigin}/x${query}`, { method: "POST", headers, body: "{}" });
  const response = await createApp([plannable]).fetch(request, env);
  return [response.status, await response.json()];
}

describe("a route that takes `plan`", () => {
  test("is asked for a plan by exactly `plan=true`, beside its other fields", async () => {
    expect(await answerTo("")).toEqual([200, { plan: false, key: "k", depth: null }]);
    expect(await answerTo("?depth=1")).toEqual([200, { plan: false, key: "k", depth: "1" }]);
    expect(await answerTo("?plan=true")).toMatchObject([200, { plan: true, depth: null }]);
    expect(await answerTo("?depth=1&plan=true")).toMatchObject([200, { plan: true, depth: "1" }]);
  });

  test("has no key by which a plan would be taken for the change that follows it", async () => {
    expect(await answerTo("?plan=true")).toMatchObject([200, { plan: true, key: null }]);
  });

  test.for([
    "?plan",
    "?plan=",
    "?plan=false",
    "?plan=TRUE",
    "?plan=1",
    "?plan=true&plan=true",
    "?plan=true&plan=false",
  ])("refuses %s", async (query) => {
    expect(await answerTo(query)).toMatchObject([400, { error: { code: "bad_request" } }]);
  });

  test("has it in the description of the API, and no other has", () => {
    const { plannable: _, ...other } = { ...plannable, path: "/y" };
    const { paths } = buildOpenApi([plannable, other]);
    expect(paths["/x"]?.post?.parameters).toContainEqual({
      name: "plan",
      in: "query",
      required: false,
      description: expect.any(String),
      schema: { type: "string", const: "true" },
    });
    expect(paths["/y"]?.post?.parameters.map(({ name }) => name)).toEqual(["depth", "Idempotency-Key"]);
  });
});
