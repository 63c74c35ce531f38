import type { Actor, Caller, Identity } from "../../../objects/contract.ts";
import type { Env } from "../../../objects/env.ts";
import type { BackendPlace } from "../../locate-backend.ts";
import type { ParamName } from "../../path-params.ts";

/** Whoever looks at a page, logged in. */
export interface Visitor {
  identity: Identity;
  actor: Actor;
  caller: Caller;
  /** The session's credential, as good as an access token. */
  credential: string;
  /** What the forms of this session carry. */
  csrf: string;
}

/** What a page gets. All of it has been checked: the session, the right, the names in the path. */
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

/** A call of the page at a path, with the types that its parameters have. */
export type Located<Path extends string> = PageCall<Record<ParamName<Path>, string>> &
  ("id" extends ParamName<Path> ? { backend: BackendPlace } : unknown);

/** A call before the types of its page are known. */
export type AnyPageCall = PageCall & { backend?: BackendPlace };
