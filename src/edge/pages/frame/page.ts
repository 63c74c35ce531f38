import type { Action } from "../../../domain/credentials/access.ts";
import type { Result } from "../../../domain/result.ts";
import type { AnyPageCall, Located } from "./page-call.ts";
import type { View } from "./view.ts";

/** What a form that was sent leads to: a page (this one, unless `path` names another), or a view that is shown this once. */
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
  /** Makes the page live: with each chunk of this stream it is rendered again, and sent where it has changed. */
  changes?(call: Call): ReadableStream<unknown>;
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
