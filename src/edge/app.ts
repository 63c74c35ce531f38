import { type Context, Hono } from "hono";
import { methodNotAllowed } from "hono/method-not-allowed";
import { getPath } from "hono/utils/url";
import { fail } from "../domain/result.ts";
import type { Env } from "../objects/env.ts";
import { newIsolateState } from "./admission/isolate-state.ts";
import { failureAnswer } from "./api/answer.ts";
import { createApiApp } from "./api/api-app.ts";
import type { Route } from "./api/route.ts";
import { refusalPage } from "./pages/frame/run-page.tsx";
import { pages } from "./pages/pages.ts";
import { createPagesApp } from "./pages/pages-app.ts";
import { createRegistryApp, isRegistryPath } from "./registry/registry-app.ts";
import { readRest } from "./unread-body.ts";

type AppContext = Context<{ Bindings: Env }>;

/**
 * The Worker's app: the three front doors, each of which handles its own exceptions, and the 404 for paths of none of
 * them. A request goes through no middleware of Hono's that its route does not need: each costs every spawn.
 * @param now the isolate's clock, in milliseconds since the epoch
 */
export function createApp(routes: readonly Route[], now: () => number = Date.now) {
  const state = newIsolateState(now);
  const registry = createRegistryApp(state.tokens, now);
  const app = new Hono<{ Bindings: Env }>()
    .route("/", createApiApp(routes, state))
    .route("/", createPagesApp(pages, state));
  const unrouted = new Hono<{ Bindings: Env }>()
    .use(methodNotAllowed({ app, onMethodNotAllowed: answerMethodNotAllowed }))
    .notFound(answerNotFound);
  app.notFound((c) => unrouted.fetch(c.req.raw, c.env));
  return {
    async fetch(request: Request, env: Env): Promise<Response> {
      const door = isRegistryPath(getPath(request)) ? registry : app;
      const answer = await door.fetch(request, env);
      await readRest(request);
      return answer;
    },
  };
}

/** The methods that routes use, in the order in which `Allow` lists them. HEAD is implied by GET. */
const listedMethods = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

function answerMethodNotAllowed(c: AppContext, allowed: readonly string[]): Response {
  // Else the headers of the 404 that this replaces would be merged in.
  c.res = undefined;
  const allow = listedMethods.filter((method) => allowed.includes(method)).join(", ");
  const failure = fail("method_not_allowed", `${c.req.method} is not allowed here; allowed: ${allow}`);
  return failureAnswer(failure.error, crypto.randomUUID(), "v3", { allow });
}

function answerNotFound(c: AppContext): Response | Promise<Response> {
  if (c.req.header("accept")?.includes("text/html")) {
    return refusalPage(c.req.raw, null, fail("not_found", "there is no such page").error);
  }
  const failure = fail(
    "not_found",
    `there is no ${c.req.path.slice(0, 200)}; the API is described at /v3/openapi.json`,
  );
  return failureAnswer(failure.error, crypto.randomUUID());
}
