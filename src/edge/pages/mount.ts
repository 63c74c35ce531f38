import type { Context, Hono } from "hono";
import { fail } from "../../domain/result.ts";
import type { Env } from "../../objects/env.ts";
import { unreached } from "../../objects/unreached.ts";
import type { IsolateState } from "../api/run-route.ts";
import { assetAnswer } from "./frame/assets.ts";
import type { Page, PageStream } from "./frame/page.ts";
import { type Arrival, refusalPage, runPage, runStream } from "./frame/run-page.tsx";
import { logIn, loginLinkPage, loginPage, logOut, useLoginLink } from "./login/login.tsx";

type App = Hono<{ Bindings: Env }>;
type PageContext = Context<{ Bindings: Env }>;

/** Puts the pages and what they need beside the API. */
export function mountPages(app: App, pages: readonly (Page | PageStream)[], state: IsolateState): void {
  const answering =
    (answer: (arrival: Arrival, state: IsolateState) => Promise<Response>) =>
    (c: PageContext): Promise<Response> =>
      answerErrors(c.req.raw, () => answer({ request: c.req.raw, env: c.env, params: c.req.param() }, state));

  app.get("/assets/:version/:name", async ({ req: { raw } }) => (await assetAnswer(raw)) ?? noAsset(raw));
  app.get("/login", answering(loginPage)).post(answering(logIn));
  app.get("/login/:link", answering(loginLinkPage)).post(answering(useLoginLink));
  app.post("/logout", answering(logOut));
  for (const page of pages) {
    const answer = answering((arrival) => run(page, arrival, state));
    app.get(page.path, answer);
    if ("forms" in page && Object.keys(page.forms ?? {}).length > 0) app.post(page.path, answer);
  }
}

function noAsset(request: Request): Promise<Response> {
  return refusalPage(request, null, fail("not_found", "there is no such file").error);
}

function run(page: Page | PageStream, ...rest: [Arrival, IsolateState]): Promise<Response> {
  return "answer" in page ? runStream(page, ...rest) : runPage(page, ...rest);
}

/** As with the API, neither a bug nor a busy object shows its inner text. */
async function answerErrors(request: Request, answer: () => Promise<Response>): Promise<Response> {
  try {
    return await answer();
  } catch (error) {
    if (unreached(error)) {
      const busy = fail("unavailable", "the service is busy or restarting; try again", {
        retryAfterSeconds: 1,
      });
      return refusalPage(request, null, busy.error);
    }
    const id = crypto.randomUUID();
    console.error(`${id} ${request.method} ${new URL(request.url).pathname}`, error);
    return refusalPage(request, null, fail("internal_error", `the logs name this as ${id}`).error);
  }
}
