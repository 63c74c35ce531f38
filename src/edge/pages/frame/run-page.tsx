import { permits } from "../../../domain/credentials/access.ts";
import { errorStatus } from "../../../domain/errors.ts";
import { apiBodyMaxBytes } from "../../../domain/limits.ts";
import { type Failure, fail, ok, type Result } from "../../../domain/result.ts";
import { authenticate } from "../../admission/authenticate.ts";
import { callerOf } from "../../admission/caller.ts";
import { actorOf, checkNames, type IsolateState } from "../../api/run-route.ts";
import { readText } from "../../body.ts";
import { backendNotFound, locateBackend } from "../../locate-backend.ts";
import { sentenceOf } from "../../sentence.ts";
import { pageAnswer } from "./layout.tsx";
import { livePage } from "./live.ts";
import type { AnyPageCall, Page, PageStream, View, Visitor } from "./page.ts";
import { cookieHeader, csrfToken, noticeCookie, readCookie } from "./session.ts";
import { overAnswer, wantsEvents } from "./stream-events.ts";

export interface Arrival {
  request: Request;
  env: AnyPageCall["env"];
  params: Record<string, string>;
}

/** The query parameter under which a page tells its changes instead of itself. */
const liveParameter = "live";

/** Answers one request for a page: who is it, may they, and then the page, its changes, or what its form does. */
export async function runPage(page: Page, arrival: Arrival, state: IsolateState): Promise<Response> {
  const call = await receive(page, arrival, state);
  if (call instanceof Response) return call;
  if (call.request.method === "POST") return submitForm(page, call);
  if (call.query.has(liveParameter) && page.news)
    return livePage(page, call, () => isStillAdmitted(page, arrival, state));
  return shownPage(page, call);
}

/** Answers one request for a stream, under the rules for pages. */
export async function runStream(
  stream: PageStream,
  arrival: Arrival,
  state: IsolateState,
): Promise<Response> {
  const call = await receive(stream, arrival, state);
  if (call instanceof Response) return call;
  const answer = await stream.answer(call, () => isStillAdmitted(stream, arrival, state));
  return answer instanceof Response ? answer : refusalPage(call.request, call.visitor, answer.error);
}

/** What has its visitors checked. */
type Guarded = Pick<Page, "action" | "anyScope">;

/** A request with its visitor, who may see what it asks for; or the answer that says why there is none. */
async function receive(
  asked: Guarded,
  arrival: Arrival,
  state: IsolateState,
): Promise<AnyPageCall | Response> {
  const { request } = arrival;
  const visitor = await visitorOf(arrival, state);
  if (!visitor.ok) return refusalPage(request, null, visitor.error);
  if (visitor.value === null) return wantsEvents(request) ? overAnswer() : toLogin(request);
  const admitted = await admit(asked, arrival, visitor.value, state);
  if (admitted.ok) return admitted.value;
  // A script would put a page that says so into the one that somebody looks at.
  return wantsEvents(request) ? overAnswer() : refusalPage(request, visitor.value, admitted.error);
}

/** The page, or why it cannot be shown. @param notice what to tell above it */
async function shownPage(page: Page, call: AnyPageCall, notice?: { failure: Failure }): Promise<Response> {
  const { request, visitor, path } = call;
  const shown = await page.show(call);
  if (!shown.ok) return refusalPage(request, visitor, shown.error);
  if (notice) {
    const told = { kind: "refused", text: notice.failure.message } as const;
    const answer = {
      ...shown.value,
      visitor,
      path,
      notice: told,
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
  if (!page.news || isFinal) return null;
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
  // A name is the visitor's own: `constructor` is none of the page's forms.
  const form = Object.hasOwn(forms, name) ? forms[name] : undefined;
  if (!form) return refusalPage(request, visitor, unknownForm.error);
  const permitted = permits(visitor.identity, form.action, targetOf(form, call));
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

/** A form's fields; of several of one name the last. */
export async function readForm(request: Request): Promise<Result<Record<string, string>>> {
  const type = request.headers.get("content-type")?.split(";", 1)[0]?.trim().toLowerCase();
  if (type !== "application/x-www-form-urlencoded") return fail("bad_request", "this is not a form");
  const text = await readText(request, apiBodyMaxBytes);
  return text.ok ? ok(Object.fromEntries(new URLSearchParams(text.value))) : text;
}

/** Who has sent a request by its session; null where nobody is logged in, or not any more. */
export async function visitorOf(
  { request, env }: Pick<Arrival, "request" | "env">,
  { tokens }: IsolateState,
): Promise<Result<Visitor | null>> {
  const credential = readCookie(request, "session");
  if (!credential) return ok(null);
  const identity = await authenticate(env, `Bearer ${credential}`, tokens);
  if (!identity.ok) return identity.error.code === "unauthorized" ? ok(null) : identity;
  const csrf = await csrfToken(credential);
  const actor = actorOf(identity.value);
  const caller = callerOf(actor, { request, env });
  return ok({ identity: identity.value, actor, caller, credential, csrf });
}

async function admit(
  page: Guarded,
  { request, env, params }: Arrival,
  visitor: Visitor,
  { serviceCodes, tokens }: IsolateState,
): Promise<Result<AnyPageCall>> {
  const { identity } = visitor;
  const names = checkNames(params);
  if (!names.ok) return fail("not_found", "there is no such page");
  if (params.account !== undefined && params.account !== identity.account) {
    return fail("account_not_found", `account \`${params.account}\` not found`);
  }
  const { pathname, searchParams } = new URL(request.url);
  const call: AnyPageCall = {
    request,
    env,
    params,
    query: searchParams,
    path: pathname,
    visitor,
    forget: (credentialId) => tokens.forget(identity.account, credentialId),
  };
  if (params.id !== undefined) {
    const backend = await locateBackend(env, params.id, serviceCodes);
    if (!backend.ok) return backend;
    if (backend.value.account !== identity.account) return backendNotFound(params.id);
    call.backend = backend.value;
  }
  const permitted = permits(identity, page.action, targetOf(page, call));
  return permitted.ok ? ok(call) : permitted;
}

async function isStillAdmitted(page: Guarded, arrival: Arrival, state: IsolateState): Promise<boolean> {
  const visitor = await visitorOf(arrival, state);
  if (!visitor.ok || visitor.value === null) return false;
  return (await admit(page, arrival, visitor.value, state)).ok;
}

/** What is acted on. Where every scope will do, that is what the visitor's token is narrowed to. */
function targetOf({ anyScope }: Pick<Guarded, "anyScope">, { params, backend, visitor }: AnyPageCall) {
  const own = anyScope ? visitor.identity.service : undefined;
  const service = own ?? backend?.service ?? params.service;
  return {
    ...(service === undefined ? {} : { service }),
    ...(params.environment === undefined ? {} : { environment: params.environment }),
  };
}

function toLogin(request: Request): Response {
  const { pathname, search } = new URL(request.url);
  const next =
    request.method === "GET" && pathname !== "/"
      ? `?${new URLSearchParams({ next: pathname + search })}`
      : "";
  return redirect(`/login${next}`);
}

/** 303, so that a form that was sent is not sent again by whoever reloads what it led to (RFC 9110 15.4.4). */
export function redirect(path: string, ...cookies: string[]): Response {
  const headers = new Headers({ location: path, "cache-control": "no-store" });
  for (const cookie of cookies) headers.append("set-cookie", cookie);
  return new Response(null, { status: 303, headers });
}

/** A page that says why there is no other. */
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
