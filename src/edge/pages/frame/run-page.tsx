import { errorStatus } from "../../../domain/errors.ts";
import { apiBodyMaxBytes } from "../../../domain/limits.ts";
import { type Failure, fail, ok, type Result } from "../../../domain/result.ts";
import type { TokenAccess } from "../../admission/access.ts";
import { admitHolder, decide, type Target } from "../../admission/admit.ts";
import { callerOf } from "../../admission/caller.ts";
import { bearerCredential } from "../../admission/credential.ts";
import { actorOf, identify, isSameHolder } from "../../admission/identify.ts";
import type { IsolateState } from "../../admission/isolate-state.ts";
import { checkService } from "../../admission/known-services.ts";
import { readText } from "../../body.ts";
import { checkParams, type MatchedRequest } from "../../path-params.ts";
import { sentenceOf } from "../../sentence.ts";
import { livePage, type PageRenders } from "./live-page.ts";
import type { Page } from "./page.ts";
import { pageAnswer } from "./page-answer.tsx";
import type { AnyPageCall, Visitor } from "./page-call.ts";
import type { PageStream } from "./page-stream.ts";
import { cookieHeader, csrfToken, noticeCookie, readCookie } from "./session.ts";
import { closeAnswer, wantsEvents } from "./stream-events.ts";
import type { View } from "./view.ts";

/** The query parameter with which a page's address streams its changes. */
const liveParameter = "live";

/** Answers one request for a page: admission, and then the page, its live changes, or its form. */
export async function runPage(
  page: Page,
  matched: MatchedRequest,
  state: IsolateState,
  renders: PageRenders,
): Promise<Response> {
  const call = await receive(page, matched, state);
  if (call instanceof Response) return call;
  if (call.request.method === "POST") return submitForm(page, call);
  if (call.query.has(liveParameter) && page.changes) {
    const isAdmitted = () => isStillAdmitted(page, matched, call.visitor, state);
    return livePage(page, call, isAdmitted, renders);
  }
  return shownPage(page, call);
}

/** Answers one request for a stream, under the rules for pages. */
export async function runStream(
  stream: PageStream,
  matched: MatchedRequest,
  state: IsolateState,
): Promise<Response> {
  const call = await receive(stream, matched, state);
  if (call instanceof Response) return call;
  const answer = await stream.answer(call, () => isStillAdmitted(stream, matched, call.visitor, state));
  return answer instanceof Response ? answer : refusalPage(call.request, call.visitor, answer.error);
}

/** What admission needs of a page, a stream or a form. */
type Guarded = Pick<Page, "action" | "anyScope">;

/** Admits a request's visitor; else the answer that refuses it. */
async function receive(
  requested: Guarded,
  matched: MatchedRequest,
  state: IsolateState,
): Promise<AnyPageCall | Response> {
  const { request } = matched;
  const visitor = await visitorOf(matched, state);
  if (!visitor.ok) return refusalPage(request, null, visitor.error);
  if (visitor.value === null) return wantsEvents(request) ? closeAnswer() : toLogin(request);
  const admitted = await admit(requested, matched, visitor.value, state);
  if (admitted.ok) return admitted.value;
  // htmx would put a page of refusal into the page that is open.
  return wantsEvents(request) ? closeAnswer() : refusalPage(request, visitor.value, admitted.error);
}

/** The page, or why it cannot be shown. @param notice what to show above it */
async function shownPage(page: Page, call: AnyPageCall, notice?: { failure: Failure }): Promise<Response> {
  const { request, visitor, path } = call;
  const shown = await page.show(call);
  if (!shown.ok) return refusalPage(request, visitor, shown.error);
  if (notice) {
    const refused = { kind: "refused", text: notice.failure.message } as const;
    const answer = {
      ...shown.value,
      visitor,
      path,
      notice: refused,
      livePath: livePathOf(page, call, shown.value),
    };
    return pageAnswer(request, answer, { status: errorStatus[notice.failure.code] });
  }
  const done = readCookie(request, "notice");
  return pageAnswer(
    request,
    {
      ...shown.value,
      visitor,
      path,
      ...(done === undefined ? {} : { notice: { kind: "done", text: done } }),
      livePath: livePathOf(page, call, shown.value),
    },
    done === undefined ? {} : { headers: { "set-cookie": cookieHeader(request, "notice", "", 0) } },
  );
}

function livePathOf(page: Page, { path, query }: AnyPageCall, { isFinal }: View): string | null {
  if (!page.changes || isFinal) return null;
  const live = new URLSearchParams(query);
  live.set(liveParameter, "");
  return `${path}?${live}`;
}

async function submitForm(page: Page, call: AnyPageCall): Promise<Response> {
  const { request, visitor, path } = call;
  const fields = await readForm(request);
  if (!fields.ok) return refusalPage(request, visitor, fields.error);
  if (fields.value.csrf !== visitor.csrf) return refusalPage(request, visitor, foreignForm.error);
  const { forms = {} } = page;
  const name = fields.value.do ?? "";
  // The name is untrusted: `constructor` is not one of the page's forms.
  const form = Object.hasOwn(forms, name) ? forms[name] : undefined;
  if (!form) return refusalPage(request, visitor, unknownForm.error);
  const permitted = decide(visitor.identity, accessTo(form), targetOf(call));
  if (!permitted.ok) return shownPage(page, call, { failure: permitted.error });

  const submitted = await form.submit(call, fields.value);
  if (!submitted.ok) return shownPage(page, call, { failure: submitted.error });
  if ("once" in submitted.value) return pageAnswer(request, { ...submitted.value.once, visitor, path });
  return redirect(submitted.value.path ?? path, noticeCookie(request, submitted.value.done));
}

const foreignForm = fail(
  "forbidden",
  "this form was not made for this session, or is older than it: open the page again and repeat what you did",
);
const unknownForm = fail("bad_request", "this page has no such form: open it again");

/** A form's fields; the last one of a repeated name. */
export async function readForm(request: Request): Promise<Result<Record<string, string>>> {
  const type = request.headers.get("content-type")?.split(";", 1)[0]?.trim().toLowerCase();
  if (type !== "application/x-www-form-urlencoded") return fail("bad_request", "this is not a form");
  const text = await readText(request, apiBodyMaxBytes);
  return text.ok ? ok(Object.fromEntries(new URLSearchParams(text.value))) : text;
}

/** The visitor of a request's session; null where there is none, or it has ended. */
export async function visitorOf(
  { request, env }: Pick<MatchedRequest, "request" | "env">,
  { tokens }: IsolateState,
): Promise<Result<Visitor | null>> {
  const credential = readCookie(request, "session");
  if (!credential) return ok(null);
  // Read as a bearer token is: spaces may precede it, which a cookie carries in quotes or encoded.
  const identity = await identify(env, bearerCredential(`Bearer ${credential}`), tokens);
  if (!identity.ok) return identity.error.reason === "undecided" ? identity : ok(null);
  const csrf = await csrfToken(credential);
  const actor = actorOf(identity.value);
  const caller = callerOf(actor, { request, env });
  return ok({ identity: identity.value, actor, caller, credential, csrf });
}

async function admit(
  page: Guarded,
  { request, env, params }: MatchedRequest,
  visitor: Visitor,
  state: IsolateState,
): Promise<Result<AnyPageCall>> {
  const { identity } = visitor;
  if (!checkParams(params).ok) return fail("not_found", "there is no such page");
  const admitted = await admitHolder(env, identity, accessTo(page), targetOf({ params }), state);
  if (!admitted.ok) return admitted;
  if (params.service !== undefined) {
    const found = await checkService(env, state.services, identity.account, params.service);
    if (!found.ok) return found;
  }
  const { pathname, searchParams } = new URL(request.url);
  return ok({
    request,
    env,
    params,
    query: searchParams,
    path: pathname,
    visitor,
    forget: (credentialId) => state.tokens.forget(identity.account, credentialId),
    ...admitted.value,
  });
}

/** What is open was made for the visitor's scope as it was: where that has changed, it is to be opened anew. */
async function isStillAdmitted(
  page: Guarded,
  matched: MatchedRequest,
  { identity }: Visitor,
  state: IsolateState,
): Promise<boolean> {
  const visitor = await visitorOf(matched, state);
  if (!visitor.ok || visitor.value === null || !isSameHolder(visitor.value.identity, identity)) return false;
  return (await admit(page, matched, visitor.value, state)).ok;
}

function accessTo({ action, anyScope = false }: Guarded): TokenAccess {
  return { kind: "token", action, anyScope };
}

/** The target of a request, by its path. */
function targetOf({ params, backend }: Pick<AnyPageCall, "params" | "backend">): Target {
  const { account, service, environment, id } = params;
  return { account, environment, backendId: id, service: backend?.service ?? service };
}

function toLogin(request: Request): Response {
  const { pathname, search } = new URL(request.url);
  const next =
    request.method === "GET" && pathname !== "/"
      ? `?${new URLSearchParams({ next: pathname + search })}`
      : "";
  return redirect(`/login${next}`);
}

/** 303, so that a form that was sent is not sent again when its result is reloaded (RFC 9110 15.4.4). */
export function redirect(path: string, ...cookies: string[]): Response {
  const headers = new Headers({ location: path, "cache-control": "no-store" });
  for (const cookie of cookies) headers.append("set-cookie", cookie);
  return new Response(null, { status: 303, headers });
}

/** The page for a failure. */
export function refusalPage(request: Request, visitor: Visitor | null, failure: Failure): Promise<Response> {
  const status = errorStatus[failure.code];
  const view: View = { title: titleOf(status), body: <p>{sentenceOf(failure.message)}</p> };
  const { pathname } = new URL(request.url);
  const retry: Record<string, string> =
    failure.retryAfterSeconds === undefined ? {} : { "retry-after": String(failure.retryAfterSeconds) };
  return pageAnswer(request, { ...view, visitor, path: pathname }, { status, headers: retry });
}

function titleOf(status: number): string {
  if (status === 404) return "Not found";
  if (status === 403) return "Not allowed";
  return status < 500 ? "This did not work" : "Something went wrong";
}
