import type { Action } from "../../../domain/credentials/access.ts";
import type { Failure } from "../../../domain/result.ts";
import type { StillAdmitted } from "../../streams/while-admitted.ts";
import type { AnyPageCall, Located } from "./page-call.ts";

interface StreamSpec<Call> {
  action: Action;
  /** @param isAdmitted whether the visitor may still see it: check it before each chunk (`whileAdmitted`) */
  answer(call: Call, isAdmitted: StillAdmitted): Promise<Response | { ok: false; error: Failure }>;
}

/** A stream for a page, or for a visitor directly, under the page's rules of admission. */
export interface PageStream extends StreamSpec<AnyPageCall> {
  path: string;
}

/** Declares a stream, as `definePage` does a page. */
export function defineStream<const Path extends string>(
  spec: StreamSpec<Located<Path>> & { path: Path },
): PageStream {
  const { path, action, answer } = spec;
  return { path, action, answer: (call, isAdmitted) => answer(call as Located<Path>, isAdmitted) };
}
