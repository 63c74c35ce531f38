import type { HtmlEscapedString } from "hono/utils/html";
import type { Action } from "../../../domain/credentials/access.ts";
import type { Failure, Result } from "../../../domain/result.ts";
import type { Actor, Caller, Identity } from "../../../objects/contract.ts";
import type { Env } from "../../../objects/env.ts";
import type { ParamName } from "../../api/route.ts";
import type { BackendPlace } from "../../locate-backend.ts";

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
  /** To be called when a token or session of the account was ended, so that it ends at once in this isolate. */
  forget(credentialId: string): void;
  visitor: Visitor;
}

type Located<Path extends string> = PageCall<Record<ParamName<Path>, string>> &
  ("id" extends ParamName<Path> ? { backend: BackendPlace } : unknown);

/** A call before the types of its page are known. */
export type AnyPageCall = PageCall & { backend?: BackendPlace };

/** What a page shows. */
export interface View {
  title: string;
  body: HtmlEscapedString | Promise<HtmlEscapedString>;
  /** What has streams of its own, below the body: it stays as it is while the body is made again. */
  below?: HtmlEscapedString | Promise<HtmlEscapedString>;
  /** The pages above it, outermost first. */
  trail?: readonly { text: string; path: string }[];
  /** Nothing of it will change any more, so that nobody needs to follow it. */
  isFinal?: boolean;
}

/** What a form that was sent leads to: a page (this one, unless told), or something that is shown this once. */
export type Submitted = { done: string; path?: string } | { once: View };

interface FormSpec<Call> {
  action: Action;
  /** Whether it acts on nothing that a token can be narrowed to, so that a narrowed one may send it too. */
  anyScope?: boolean;
  /** @param fields what was sent: to be read by a schema */
  submit(call: Call, fields: Record<string, string>): Promise<Result<Submitted>>;
}

interface PageSpec<Call> {
  action: Action;
  /** Whether it shows each visitor what they may see, so that a token which is narrowed to a service may look too. */
  anyScope?: boolean;
  show(call: Call): Promise<Result<View>>;
  /** Makes the page live: it is made and sent anew whenever this stream says anything. */
  news?(call: Call): ReadableStream<unknown>;
  /** By the value of the button that sends them: `<button name="do" value="pin">`. */
  forms?: Readonly<Record<string, FormSpec<Call>>>;
}

/** A page of the table, the types of its path forgotten. */
export interface Page extends PageSpec<AnyPageCall> {
  path: string;
}

/**
 * Describes one page. Its functions are typed by its path; the runner (run-page.tsx) has checked a call by exactly
 * that before it gets here, which is why the call's type may be narrowed.
 */
export function definePage<const Path extends string>(spec: PageSpec<Located<Path>> & { path: Path }): Page {
  const { path, action, anyScope = false, show, news, forms = {} } = spec;
  const narrowed = (call: AnyPageCall) => call as Located<Path>;
  const bound = Object.entries(forms).map(([name, form]): [string, FormSpec<AnyPageCall>] => [
    name,
    { ...form, submit: (call, fields) => form.submit(narrowed(call), fields) },
  ]);
  return {
    path,
    action,
    anyScope,
    show: (call) => show(narrowed(call)),
    ...(news ? { news: (call: AnyPageCall) => news(narrowed(call)) } : {}),
    forms: Object.fromEntries(bound),
  };
}

interface StreamSpec<Call> {
  action: Action;
  /** @param isAdmitted whether the visitor still may see it: to be asked before each time that something is sent */
  answer(call: Call, isAdmitted: () => Promise<boolean>): Promise<Response | { ok: false; error: Failure }>;
}

/** What is streamed to a page, or to a person as it is: not a page, and seen by the same visitors. */
export interface PageStream extends StreamSpec<AnyPageCall> {
  path: string;
}

/** Describes one stream, as `definePage` does a page. */
export function defineStream<const Path extends string>(
  spec: StreamSpec<Located<Path>> & { path: Path },
): PageStream {
  const { path, action, answer } = spec;
  return { path, action, answer: (call, isAdmitted) => answer(call as Located<Path>, isAdmitted) };
}
