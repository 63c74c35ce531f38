import { isName, namePattern, nameRule } from "../domain/names.ts";
import { digestPattern } from "../domain/pins/images.ts";
import { fail, ok, type Result } from "../domain/result.ts";
import type { Env } from "../objects/env.ts";

/** A request with the parameters of the route that it matched. */
export interface MatchedRequest {
  request: Request;
  env: Env;
  params: Record<string, string>;
}

/** The names of a path's parameters: `/user/:account/service` has `account`. */
export type ParamName<Path extends string> = Path extends `${string}:${infer Name}/${infer Rest}`
  ? Name | ParamName<Rest>
  : Path extends `${string}:${infer Name}`
    ? Name
    : never;

const namedParams: readonly string[] = ["account", "service", "environment", "cluster"];

/** What a path parameter must match, if that is checked before it is looked for. */
export function paramPattern(param: string): RegExp | undefined {
  if (param === "digest") return digestPattern;
  return namedParams.includes(param) ? namePattern : undefined;
}

/** Validates path parameters: `bad_request` where one is not a name, id or digest of its kind. */
export function checkParams(params: Record<string, string>): Result<null> {
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
