import type { Action } from "../../../domain/credentials/access.ts";
import type { Result } from "../../../domain/result.ts";
import type { AnyPageCall, Located } from "./page-call.ts";
import type { View } from "./view.ts";

/** The outcome of a form: a redirect to `path`, by default the page itself, or a view that is shown this once. */
export type Submitted = { done: string; path?: string } | { once: View };

interface FormSpec<Call> {
  action: Action;
  /** Whether a narrowed token may send it too, since it acts on nothing that a token can be narrowed to. */
  anyScope?: boolean;
  /** @param fields as received: parse them by a schema */
  submit(call: Call, fields: Record<string, string>): Promise<Result<Submitted>>;
}

interface PageSpec<Call> {
  action: Action;
  /** Whether a token that is narrowed to a service may see it too, since it shows only what its visitor may see. */
  anyScope?: boolean;
  show(call: Call): Promise<Result<View>>;
  /** Makes the page live: it is rendered again after each chunk of this stream, and sent if it has changed. */
  changes?(call: Call): ReadableStream<unknown>;
  /** By the value of their submit button: `<button name="do" value="pin">`. */
  forms?: Readonly<Record<string, FormSpec<Call>>>;
}

/** A page of the table, with the types of its path erased. */
export interface Page extends PageSpec<AnyPageCall> {
  path: string;
}

/**
 * Declares a page. Its functions are typed by its path. run-page.tsx checks each call against exactly that, which is
 * why the call's type may be narrowed here.
 */
export function definePage<const Path extends string>(spec: PageSpec<Located<Path>> & { path: Path }): Page {
  const { path, action, anyScope = false, show, changes, forms = {} } = spec;
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
    ...(changes ? { changes: (call: AnyPageCall) => changes(narrowed(call)) } : {}),
    forms: Object.fromEntries(bound),
  };
}
