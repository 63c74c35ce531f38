import { permits } from "../../domain/credentials/access.ts";
import { apiBodyMaxBytes } from "../../domain/limits.ts";
import { isName, nameRule, nearest } from "../../domain/names.ts";
import { digestPattern } from "../../domain/pins/images.ts";
import { type Failure, fail, ok, type Result } from "../../domain/result.ts";
import type { Actor, Idempotency, Identity } from "../../objects/contract.ts";
import type { Env } from "../../objects/env.ts";
import { accountStub } from "../../objects/stubs.ts";
import { authenticate, authenticateRoot } from "../admission/authenticate.ts";
import { callerOf } from "../admission/caller.ts";
import type { TokenCache } from "../admission/token-cache.ts";
import { parseJson, readText } from "../body.ts";
import { parseInput } from "../input.ts";
import { type BackendPlace, backendNotFound, locateBackend, type ServiceCodes } from "../locate-backend.ts";
import { emptyAnswer, failureAnswer, jsonAnswer } from "./answer.ts";
import { parseIfMatch, readIdempotency } from "./preconditions.ts";
import type { AnyCall, Route } from "./route.ts";

/** What an isolate remembers between requests. */
export interface IsolateState {
  tokens: TokenCache;
  serviceCodes: ServiceCodes;
}

interface Arrival {
  request: Request;
  env: Env;
  params: Record<string, string>;
}

/** Answers one request by its route: who is it, may they, what do they say, one call, the answer. */
export async function runRoute(
  route: Route,
  arrival: Arrival,
  state: IsolateState,
  requestId: string,
): Promise<Response> {
  const admitted = await admit(route, arrival, state);
  if (!admitted.ok) return failureAnswer(admitted.error, requestId, route.version);
  const call = await readCall(route, arrival, admitted.value, state);
  if (!call.ok) return failureAnswer(call.error, requestId, route.version);

  const answered = await route.handle(call.value);
  if (answered instanceof Response) {
    answered.headers.set("x-request-id", requestId);
    return answered;
  }
  const { result, revision } = answered;
  if (!result.ok) {
    const failure = await explain(result.error, arrival, admitted.value);
    return failureAnswer(failure, requestId, route.version);
  }
  if (route.status === 204) return emptyAnswer(requestId);
  const headers: Record<string, string> = revision === undefined ? {} : { etag: `"${revision}"` };
  return jsonAnswer(result.value, route.status ?? 200, requestId, headers);
}

interface Admitted {
  identity?: Identity;
  backend?: BackendPlace;
}

/** Invariant 8: what is another account's is not found, in the words for what does not exist. */
async function admit(
  route: Route,
  { request, env, params }: Arrival,
  state: IsolateState,
): Promise<Result<Admitted>> {
  const { access } = route;
  const authorization = request.headers.get("authorization");
  if (access.kind === "root") {
    const root = authenticateRoot(env, authorization);
    return root.ok ? ok({}) : root;
  }
  if (access.kind === "public") {
    if (params.id === undefined) return ok({});
    const backend = await locateBackend(env, params.id, state.serviceCodes);
    return backend.ok ? ok({ backend: backend.value }) : backend;
  }

  const authenticated = await authenticate(env, authorization, state.tokens);
  if (!authenticated.ok) return authenticated;
  const identity = authenticated.value;
  if (params.account !== undefined && params.account !== identity.account) {
    return fail("account_not_found", `account \`${params.account.slice(0, 80)}\` not found`);
  }
  const admitted: Admitted = { identity };
  if (params.id !== undefined) {
    const backend = await locateBackend(env, params.id, state.serviceCodes);
    if (!backend.ok) return backend;
    if (backend.value.account !== identity.account) return backendNotFound(params.id);
    admitted.backend = backend.value;
  }
  if (access.kind === "any_token") return ok(admitted);
  const named = access.targetIn === "query" ? Object.fromEntries(new URL(request.url).searchParams) : params;
  const service = admitted.backend?.service ?? named.service;
  const permitted = permits(identity, access.action, {
    ...(service === undefined ? {} : { service }),
    ...(named.environment === undefined ? {} : { environment: named.environment }),
  });
  return permitted.ok ? ok(admitted) : permitted;
}

/** Reads everything that a request says besides who it is. */
async function readCall(
  route: Route,
  { request, env, params }: Arrival,
  { identity, backend }: Admitted,
  { tokens }: IsolateState,
): Promise<Result<AnyCall>> {
  const names = checkNames(params);
  if (!names.ok) return names;

  let query: unknown;
  if (route.query) {
    const parsed = parseInput(
      route.query,
      Object.fromEntries(new URL(request.url).searchParams),
      "bad query",
    );
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
      const read = await readIdempotency(request, text.value);
      if (!read.ok) return read;
      idempotency = read.value;
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
    forget: (account, credentialId) => tokens.forget(account, credentialId),
    ...(identity ? identified(identity, { request, env }, { idempotency, ifMatch: ifMatch.value }) : {}),
    ...(backend ? { backend } : {}),
  });
}

function identified(
  identity: Identity,
  arrival: Pick<Arrival, "request" | "env">,
  conditions: { idempotency: Idempotency | undefined; ifMatch: number | undefined },
) {
  const actor = actorOf(identity);
  return { identity, actor, caller: callerOf(actor, arrival, conditions) };
}

/** Who does something, by their token. */
export function actorOf({ tokenId, tokenName, environments }: Identity): Actor {
  return { tokenId, tokenName, ...(environments === undefined ? {} : { environments }) };
}

const namedParams: readonly string[] = ["account", "service", "environment", "cluster"];

/** `bad_request` where a parameter of a path cannot name what it should. */
export function checkNames(params: Record<string, string>): Result<null> {
  for (const [param, value] of Object.entries(params)) {
    if (namedParams.includes(param) && !isName(value)) {
      return fail(
        "bad_request",
        `\`${value.slice(0, 80)}\` is not a name of a ${param}: a name is ${nameRule}`,
      );
    }
    if (param === "digest" && !digestPattern.test(value)) {
      return fail(
        "bad_request",
        `\`${value.slice(0, 80)}\` is not an image digest; expected sha256: and 64 hexadecimal digits in lower case`,
      );
    }
  }
  return ok(null);
}

/** Says what there is instead of a service that was not found. Costs a call, on this failure only. */
async function explain(
  failure: Failure,
  { env, params }: Arrival,
  { identity, backend }: Admitted,
): Promise<Failure> {
  if (failure.code === "backend_not_found" && params.id !== undefined) {
    return backendNotFound(params.id).error;
  }
  const wanted = params.service;
  if (failure.code !== "service_not_found" || wanted === undefined || !identity || backend) return failure;
  const message = `service \`${wanted}\` not found`;
  if (identity.service !== undefined) return { ...failure, message };
  const names = await accountStub(env, identity.account).serviceNames();
  if (!names.ok) return failure;
  const near = nearest(wanted, names.value);
  const told = near.map((name) => `\`${name}\``).join(", ");
  return {
    ...failure,
    message: near.length === 0 ? `${message}; this account has none` : `${message}; nearest: ${told}`,
    details: { ...failure.details, nearest_services: near },
  };
}
