import type { Actor, Caller, Identity } from "../../../objects/contract.ts";
import type { Env } from "../../../objects/env.ts";
import type { BackendLocation } from "../../locate-backend.ts";
import type { ParamName } from "../../path-params.ts";

/** The logged-in visitor of a page. */
export interface Visitor {
  identity: Identity;
  actor: Actor;
  caller: Caller;
  /** The session's credential, which grants what its access token does. */
  credential: string;
  /** The CSRF token of this session's forms. */
  csrf: string;
}

/** The input of a page. All of it is checked: session, access, names in the path. */
export interface PageCall<Params = Record<string, string>> {
  request: Request;
  env: Env;
  params: Params;
  query: URLSearchParams;
  /** Without the query. */
  path: string;
  /** Drops a revoked token or ended session of the account from this isolate's cache: call it once it has ended. */
  forget(credentialId: string): void;
  visitor: Visitor;
}

/** A call of the page at a path, typed by the path's parameters. */
export type Located<Path extends string> = PageCall<Record<ParamName<Path>, string>> &
  ("id" extends ParamName<Path> ? { backend: BackendLocation } : unknown);

/** A call without its page's types. */
export type AnyPageCall = PageCall & { backend?: BackendLocation };
