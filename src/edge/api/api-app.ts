import { type Context, Hono, type MiddlewareHandler } from "hono";
import { cors } from "hono/cors";
import { routePath } from "hono/route";
import { fail } from "../../domain/result.ts";
import type { Env } from "../../objects/env.ts";
import type { IsolateState } from "../admission/isolate-state.ts";
import { failureOf } from "../exception.ts";
import { failurePage } from "../views/ready-page.ts";
import { failureAnswer } from "./answer.ts";
import { mountedPaths, type Route } from "./route.ts";
import { runRoute } from "./run-route.ts";

type ApiContext = Context<{ Bindings: Env }>;

/** Answers requests to the routes of a table. */
export function createApiApp(routes: readonly Route[], state: IsolateState) {
  const app = new Hono<{ Bindings: Env }>();
  const anyOrigin = cors({ origin: "*", allowMethods: ["GET"], exposeHeaders: ["x-request-id"] });
  const identified: MiddlewareHandler = (c, next) => {
    c.header("x-request-id", crypto.randomUUID());
    return next();
  };
  for (const route of routes) {
    // Not by `onError`: mounted with that, each handler would be composed anew for each request.
    const handler = (c: ApiContext) =>
      runRoute(route, { request: c.req.raw, env: c.env, params: c.req.param() }, state).catch(
        (error: unknown) => answerException(error, c),
      );
    const around = [
      ...(route.cors ? [anyOrigin] : []),
      ...(route.produces === "text/html" ? [failuresAsPages] : []),
    ];
    const paths = mountedPaths(route);
    app.on(route.method, paths, ...around, handler);
    if (route.cors) app.on("OPTIONS", paths, identified, anyOrigin);
  }
  return app;
}

/** For routes that people open in a browser. */
const failuresAsPages: MiddlewareHandler = async (c, next) => {
  await next();
  const answer = await failurePage(c.req.raw, c.res);
  if (answer !== c.res) c.res = answer;
};

/** An exception is a bug, or an object that cannot answer now; the answer shows neither's message. */
async function answerException(error: unknown, c: ApiContext): Promise<Response> {
  const requestId = crypto.randomUUID();
  const known = await failureOf(error, c.env);
  if (known) return failureAnswer(known, requestId);
  // Not the path itself, which may hold a token.
  console.error(`${requestId} ${c.req.method} ${routePath(c)}`, error);
  const failure = fail("internal_error", "something went wrong; the request id names it in the logs");
  return failureAnswer(failure.error, requestId);
}
