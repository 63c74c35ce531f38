import { type Context, Hono, type MiddlewareHandler } from "hono";
import { cors } from "hono/cors";
import { fail } from "../domain/result.ts";
import type { Env } from "../objects/env.ts";
import { unreached } from "../objects/unreached.ts";
import { TokenCache } from "./admission/token-cache.ts";
import { failureAnswer } from "./api/answer.ts";
import { mountedPaths, type Route } from "./api/route.ts";
import { type IsolateState, runRoute } from "./api/run-route.ts";
import { newServiceCodes } from "./locate-backend.ts";
import { refusalPage } from "./pages/frame/run-page.tsx";
import { mountPages } from "./pages/mount.ts";
import { pages } from "./pages/pages.ts";
import { isRegistryPath, RegistryApp } from "./registry/registry-app.ts";
import { failurePage } from "./views/ready-page.ts";

/** Methods that some route of the table has, in the order in which `Allow` tells them. */
const methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/**
 * The Worker's app: every route of the table, and one answer for what is not in it.
 * @param now the isolate's clock, in milliseconds since the epoch
 */
export function createApp(routes: readonly Route[], now: () => number = Date.now) {
  const state: IsolateState = { tokens: new TokenCache(now), serviceCodes: newServiceCodes() };
  const registry = new RegistryApp(state.tokens, now);
  const app = new Hono<{ Bindings: Env }>();
  const anyOrigin = cors({ origin: "*", allowMethods: ["GET"], exposeHeaders: ["x-request-id"] });

  const identified: MiddlewareHandler = (c, next) => {
    c.header("x-request-id", crypto.randomUUID());
    return next();
  };

  for (const route of routes) {
    const handler = async (c: Context<{ Bindings: Env }>) => {
      const request = c.req.raw;
      const arrival = { request, env: c.env, params: c.req.param() };
      const answer = await answerErrors(request, route, (requestId) =>
        runRoute(route, arrival, state, requestId),
      );
      return route.produces === "text/html" ? failurePage(request, answer) : answer;
    };
    for (const path of mountedPaths(route)) {
      if (route.cors) {
        app.on(route.method, path, anyOrigin, handler);
        app.options(path, identified, anyOrigin);
      } else {
        app.on(route.method, path, handler);
      }
    }
  }

  mountPages(app, pages, state);

  app.notFound((c) => {
    const { method, path } = c.req;
    // The registry's paths are told apart by names that no account has, which no pattern of a router can say.
    if (isRegistryPath(path)) return registry.answer(c.req.raw, c.env);
    const requestId = crypto.randomUUID();
    const allowed = methods.filter((known) => app.router.match(known, path)[0].length > 0);
    if (allowed.length === 0 && c.req.header("accept")?.includes("text/html")) {
      return refusalPage(c.req.raw, null, fail("not_found", "there is no such page").error);
    }
    if (allowed.length === 0) {
      const failure = fail(
        "not_found",
        `there is no ${path.slice(0, 200)}; the API is described at /v3/openapi.json`,
      );
      return failureAnswer(failure.error, requestId);
    }
    const allow = allowed.join(", ");
    const failure = fail("method_not_allowed", `${method} is not allowed here; allowed: ${allow}`);
    return failureAnswer(failure.error, requestId, "v3", { allow });
  });
  return app;
}

/** Exceptions are bugs, or the platform's word that an object cannot answer now; neither shows its inner text. */
async function answerErrors(
  request: Request,
  route: Route,
  answer: (requestId: string) => Promise<Response>,
): Promise<Response> {
  const requestId = crypto.randomUUID();
  try {
    return await answer(requestId);
  } catch (error) {
    if (unreached(error)) {
      const failure = fail("unavailable", "the service is busy or restarting; try again", {
        retryAfterSeconds: 1,
      });
      return failureAnswer(failure.error, requestId, route.version);
    }
    console.error(`${requestId} ${request.method} ${route.path}`, error);
    const failure = fail("internal_error", "something went wrong; the request id names it in the logs");
    return failureAnswer(failure.error, requestId, route.version);
  }
}
