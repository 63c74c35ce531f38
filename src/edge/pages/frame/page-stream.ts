import type { Action } from "../../../domain/credentials/access.ts";
import type { Failure } from "../../../domain/result.ts";
import type { AnyPageCall, Located } from "./page-call.ts";

interface StreamSpec<Call> {
  action: Action;
  /** @param isAdmitted whether the visitor still may see it: checked before each event that is sent */
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
