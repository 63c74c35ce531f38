import { type Context, Hono } from "hono";
import { routePath } from "hono/route";
import { fail } from "../../domain/result.ts";
import type { Env } from "../../objects/env.ts";
import type { IsolateState } from "../admission/isolate-state.ts";
import { failureOf } from "../exception.ts";
import type { MatchedRequest } from "../path-params.ts";
import { assetAnswer } from "./frame/assets/assets.ts";
import type { PageRenders } from "./frame/live-page.ts";
import type { Page } from "./frame/page.ts";
import type { PageStream } from "./frame/page-stream.ts";
import { refusalPage, runPage, runStream } from "./frame/run-page.tsx";
import { SharedRenders } from "./frame/shared-renders.ts";
import { logIn, loginLinkPage, loginPage, logOut, useLoginLink } from "./login/login.tsx";

type PageContext = Context<{ Bindings: Env }>;

/** Answers requests for the pages and their assets, and the logins and logouts. */
export function createPagesApp(pages: readonly (Page | PageStream)[], state: IsolateState) {
  const app = new Hono<{ Bindings: Env }>();
  const renders: PageRenders = new SharedRenders();
  const answering =
    (answer: (matched: MatchedRequest, state: IsolateState) => Promise<Response>) =>
    (c: PageContext): Promise<Response> =>
      answer({ request: c.req.raw, env: c.env, params: c.req.param() }, state).catch((error: unknown) =>
        answerException(error, c),
      );

  app.get(
    "/assets/:version/:name",
    answering(async ({ request }) => (await assetAnswer(request)) ?? noAsset(request)),
  );
  app.get("/login", answering(loginPage)).post(answering(logIn));
  app.get("/login/:link", answering(loginLinkPage)).post(answering(useLoginLink));
  app.post("/logout", answering(logOut));
  for (const page of pages) {
    const answer = answering((matched) => run(page, matched, state, renders));
    app.get(page.path, answer);
    if ("forms" in page && Object.keys(page.forms ?? {}).length > 0) app.post(page.path, answer);
  }
  return app;
}

function noAsset(request: Request): Promise<Response> {
  return refusalPage(request, null, fail("not_found", "there is no such file").error);
}

function run(
  page: Page | PageStream,
  matched: MatchedRequest,
  state: IsolateState,
  renders: PageRenders,
): Promise<Response> {
  return "answer" in page ? runStream(page, matched, state) : runPage(page, matched, state, renders);
}

/** As at the API, the answer shows the message of neither a bug nor an object that cannot answer now. */
async function answerException(error: unknown, c: PageContext): Promise<Response> {
  const request = c.req.raw;
  const known = await failureOf(error, c.env);
  if (known) return refusalPage(request, null, known);
  const id = crypto.randomUUID();
  // Not the path itself: a login link is a credential.
  console.error(`${id} ${request.method} ${routePath(c)}`, error);
  return refusalPage(request, null, fail("internal_error", `the logs name this as ${id}`).error);
}
