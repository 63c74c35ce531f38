import type { z } from "zod";
import { ok, type Result } from "../../domain/result.ts";
import type { Actor, Caller, Idempotency, Identity, Mode, Outcome } from "../../objects/contract.ts";
import type { Env } from "../../objects/env.ts";
import type { RouteAccess } from "../admission/access.ts";
import type { BackendLocation } from "../locate-backend.ts";
import type { ParamName } from "../path-params.ts";

export type ApiVersion = "v1" | "v2" | "v3" | "public";

interface Identified {
  identity: Identity;
  actor: Actor;
  /** The actor, with the conditions of the request's headers on routes that take them. */
  caller: Caller;
  /** Whether the same request would be admitted now, with the same scope: for streams, which ask before each chunk. */
  isStillAdmitted(): Promise<boolean>;
}

/** The input of a handler. All of it is checked: access, names, query and body. */
export interface Call<Params, Query, Body> {
  request: Request;
  env: Env;
  params: Params;
  query: Query;
  body: Body;
  /** From `Idempotency-Key`, on routes that take it. */
  idempotency: Idempotency | undefined;
  /** Whether nothing is to be done, but to be said what would be; never on routes that are not plannable. */
  plan: boolean;
  /** Drops a revoked token or ended session from this isolate's cache: call it once it has ended. */
  forget(account: string, credentialId: string): void;
}

type HandlerCall<Path extends string, A extends RouteAccess, Query, Body> = Call<
  Record<ParamName<Path>, string>,
  Query,
  Body
> &
  (A extends { kind: "token" | "any_token" } ? Identified : unknown) &
  ("id" extends ParamName<Path> ? { backend: BackendLocation } : unknown);

/** A route without its handler. */
interface Description {
  /** In JSON answers; 200 when it is left out. 204 has no body. */
  status?: 200 | 201 | 204;
  /** One line for the API's description. */
  summary: string;
  /** `application/json` when it is left out; others are answered with a Response of the handler's own. */
  produces?: "text/html" | "text/event-stream";
  /** Where else it may lead, with 302. */
  leadsTo?: string;
  /** Whether the query names the target, by `service` and `environment`, instead of the path. */
  targetIn?: "query";
  /** Whether pages of any origin may call it. */
  cors?: boolean;
  /** Whether `Idempotency-Key` makes it replayable. */
  idempotent?: boolean;
  /** Whether `If-Match` makes it conditional. */
  conditional?: boolean;
  /** Whether `?plan=true` only says what it would do. Others refuse `plan`. */
  plannable?: boolean;
  /** Whether it may answer 202 with a change that waits for approval, in place of its answer. */
  waits?: boolean;
  /** What its answer names, as the parameters of other routes' paths: where in the answer, as a JSON pointer. */
  names?: Readonly<Record<string, string>>;
  /** In bytes; `apiBodyMaxBytes` when it is left out. */
  bodyMaxBytes?: number;
}

interface Spec<Path extends string, A extends RouteAccess, Query, Body, Answer> extends Description {
  method: Method;
  path: Path;
  version: ApiVersion;
  access: A;
  query?: z.ZodType<Query>;
  body?: z.ZodType<Body>;
  answer?: z.ZodType<Answer>;
  /** The revision that the answer carries as its `ETag`. */
  revisionOf?: (answer: Answer) => number;
  handle(
    call: HandlerCall<Path, A, Query, Body>,
  ): Promise<Result<NoInfer<Answer>> | Response> | Result<NoInfer<Answer>> | Response;
}

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** A call without its route's types; `identity`, `actor`, `caller` and `backend` are there if the route has them. */
export type AnyCall = Call<Record<string, string>, unknown, unknown> &
  Partial<Identified> & { backend?: BackendLocation };

/** A route of the table, with the types of its handler erased. */
export interface Route extends Description {
  method: Method;
  path: string;
  version: ApiVersion;
  access: RouteAccess;
  query?: z.ZodType;
  body?: z.ZodType;
  answer?: z.ZodType;
  handle(call: AnyCall): Promise<Handled | Response>;
}

/** What a handler has come to. `status` where it is not the route's own. */
export interface Handled {
  result: Result<unknown>;
  revision?: number;
  status?: 200 | 202;
}

/**
 * Declares a route. Its handler is typed by the path, the access and the schemas. run-route.ts checks each call against
 * exactly those, which is why the call's type may be narrowed here.
 */
export function defineRoute<
  const Path extends string,
  const A extends RouteAccess,
  Query = undefined,
  Body = undefined,
  Answer = null,
>(spec: Spec<Path, A, Query, Body, Answer>): Route {
  const { handle, revisionOf, ...described } = spec;
  return {
    ...described,
    async handle(call) {
      const result = await handle(call as HandlerCall<Path, A, Query, Body>);
      if (result instanceof Response) return result;
      return result.ok && revisionOf ? { result, revision: revisionOf(result.value) } : { result };
    },
  };
}

/**
 * Declares a route that changes an environment: `?plan=true` has it answer a plan, and what needs approval is answered 202 with the change
 * that waits for it.
 */
export function defineChangeRoute<
  const Path extends string,
  const A extends RouteAccess,
  Query = undefined,
  Body = undefined,
  Answer = null,
>({
  handle,
  revisionOf,
  ...described
}: Omit<Spec<Path, A, Query, Body, Answer>, "handle" | "plannable" | "waits"> & {
  handle(call: HandlerCall<Path, A, Query, Body>, mode: Mode): Promise<Result<Outcome<NoInfer<Answer>>>>;
}): Route {
  return {
    ...described,
    plannable: true,
    waits: true,
    async handle(call): Promise<Handled> {
      const outcome = await handle(call as HandlerCall<Path, A, Query, Body>, call.plan ? "plan" : "do");
      if (!outcome.ok) return { result: outcome };
      const { value } = outcome;
      if ("plan" in value) return { result: ok(value.plan), status: 200 };
      if ("change" in value) return { result: ok(value.change), status: 202 };
      const result = ok(value.done);
      return revisionOf ? { result, revision: revisionOf(value.done) } : { result };
    },
  };
}

/** The paths under which a route is mounted: v1 answers with and without a leading `/v1`. */
export function mountedPaths({ version, path }: Pick<Route, "version" | "path">): string[] {
  return version === "v1" ? [path, `/v1${path}`] : [path];
}
