import { apiBodyMaxBytes } from "../../domain/limits.ts";
import { type Failure, ok, type Result } from "../../domain/result.ts";
import type { Idempotency, Identity } from "../../objects/contract.ts";
import { accountStub } from "../../objects/stubs.ts";
import { type Admitted, admit, type Target } from "../admission/admit.ts";
import { callerOf } from "../admission/caller.ts";
import { bearerCredential } from "../admission/credential.ts";
import { actorOf, isSameHolder } from "../admission/identify.ts";
import type { IsolateState } from "../admission/isolate-state.ts";
import { checkService } from "../admission/known-services.ts";
import type { Decision } from "../admission/refusal.ts";
import { parseJson, readText } from "../body.ts";
import { parseInput } from "../input.ts";
import { backendNotFound } from "../locate-backend.ts";
import { checkParams, type MatchedRequest } from "../path-params.ts";
import { emptyAnswer, failureAnswer, jsonAnswer } from "./answer.ts";
import { parsePlan, planField } from "./plan.ts";
import { parseIfMatch, readIdempotency } from "./preconditions.ts";
import type { AnyCall, Route } from "./route.ts";

/** Answers one request: admission, then validation, then the route's handler, then its answer. */
export async function runRoute(
  route: Route,
  matched: MatchedRequest,
  state: IsolateState,
): Promise<Response> {
  const requestId = crypto.randomUUID();
  const credential = bearerCredential(matched.request.headers.get("authorization"));
  const target = targetOf(route, matched);
  const admitNow = () => admit(matched.env, credential, route.access, target, state);
  const admitted = await admitNow();
  if (!admitted.ok) return failureAnswer(admitted.error, requestId, route.version);
  const call = await readCall(route, matched, { ...admitted.value, admitNow }, state);
  if (!call.ok) return failureAnswer(call.error, requestId, route.version);

  const answered = await handle(route, call.value, state);
  if (answered instanceof Response) {
    answered.headers.set("x-request-id", requestId);
    return answered;
  }
  const { result, revision, status } = answered;
  if (!result.ok) {
    const failure = await explain(result.error, matched, admitted.value);
    return failureAnswer(failure, requestId, route.version);
  }
  if (route.status === 204 && status === undefined) return emptyAnswer(requestId);
  const headers: Record<string, string> = revision === undefined ? {} : { etag: `"${revision}"` };
  return jsonAnswer(result.value, status ?? route.status ?? 200, requestId, headers);
}

/** Calls the route's handler, unless the path names a service that never was. */
async function handle(route: Route, call: AnyCall, { services }: IsolateState) {
  const { env, identity, params } = call;
  if (identity && params.service !== undefined) {
    const result = await checkService(env, services, identity.account, params.service);
    if (!result.ok) return { result };
  }
  return route.handle(call);
}

/** What a request acts on, by its path or its query. */
function targetOf({ targetIn }: Route, { request, params }: MatchedRequest): Target {
  const names = targetIn === "query" ? queryOf(request) : params;
  return {
    account: params.account,
    backendId: params.id,
    service: names.service,
    environment: names.environment,
  };
}

/** The parameters of a request's query: of several with one name the last. */
function queryOf({ url }: Request): Record<string, string> {
  // Most have none, and need no URL.
  return url.includes("?") ? Object.fromEntries(new URL(url).searchParams) : {};
}

/** Parses names, plan, query, body and preconditions. */
async function readCall(
  route: Route,
  { request, env, params }: MatchedRequest,
  { identity, backend, admitNow }: Admitted & { admitNow: () => Promise<Decision<Admitted>> },
  { tokens }: IsolateState,
): Promise<Result<AnyCall>> {
  const names = checkParams(params);
  if (!names.ok) return names;
  const plan = parsePlan(route, request);
  if (!plan.ok) return plan;

  let query: unknown;
  if (route.query) {
    const { [planField]: _, ...fields } = queryOf(request);
    const parsed = parseInput(route.query, fields, "bad query");
    if (!parsed.ok) return parsed;
    query = parsed.value;
  }

  let body: unknown;
  let idempotency: Idempotency | undefined;
  if (route.body) {
    const text = await readText(request, route.bodyMaxBytes ?? apiBodyMaxBytes);
    if (!text.ok) return text;
    const json = parseJson(request, text.value);
    if (!json.ok) return json;
    const parsed = parseInput(route.body, json.value, "bad body");
    if (!parsed.ok) return parsed;
    body = parsed.value;
    if (route.idempotent) {
      const read = await readIdempotency(request, identity, text.value);
      if (!read.ok) return read;
      // A plan is neither replayed nor kept: the change that follows it may have the same key.
      idempotency = plan.value ? undefined : read.value;
    }
  }

  const ifMatch = route.conditional ? parseIfMatch(request.headers.get("if-match")) : ok(undefined);
  if (!ifMatch.ok) return ifMatch;
  return ok({
    request,
    env,
    params,
    query,
    body,
    idempotency,
    plan: plan.value,
    forget: (account, credentialId) => tokens.forget(account, credentialId),
    ...(identity && {
      ...identified(identity, { request, env }, { idempotency, ifMatch: ifMatch.value }),
      isStillAdmitted: () => isAdmittedAs(identity, admitNow),
    }),
    ...(backend ? { backend } : {}),
  });
}

function identified(
  identity: Identity,
  matched: Pick<MatchedRequest, "request" | "env">,
  conditions: { idempotency: Idempotency | undefined; ifMatch: number | undefined },
) {
  const actor = actorOf(identity);
  return { identity, actor, caller: callerOf(actor, matched, conditions) };
}

/** A handler has seen the actor: one whose scope has changed since then is not admitted as before. */
async function isAdmittedAs(identity: Identity, admitNow: () => Promise<Decision<Admitted>>) {
  const admitted = await admitNow();
  return (
    admitted.ok && admitted.value.identity !== undefined && isSameHolder(admitted.value.identity, identity)
  );
}

/** Adds the nearest names to a `service_not_found`. Costs a call, on this failure only. */
async function explain(
  failure: Failure,
  { env, params }: MatchedRequest,
  { identity, backend }: Admitted,
): Promise<Failure> {
  if (failure.code === "backend_not_found" && params.id !== undefined) {
    return backendNotFound(params.id).error;
  }
  const wanted = params.service;
  if (failure.code !== "service_not_found" || wanted === undefined || !identity || backend) return failure;
  const message = `service \`${wanted}\` not found`;
  if (identity.service !== undefined) return { ...failure, message };
  const nearest = await accountStub(env, identity.account).nearestServices(wanted);
  if (!nearest.ok) return failure;
  const near = nearest.value;
  const listed = near.map((name) => `\`${name}\``).join(", ");
  return {
    ...failure,
    message: near.length === 0 ? `${message}; this account has none` : `${message}; nearest: ${listed}`,
    details: { ...failure.details, nearest_services: [...near] },
  };
}
