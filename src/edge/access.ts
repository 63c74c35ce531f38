import type { Action } from "../domain/access.ts";
import { fail } from "../domain/result.ts";

/** The accesses that routes declare. */
export const publicAccess = { kind: "public" } as const;
export const rootAccess = { kind: "root" } as const;
export const anyToken = { kind: "any_token" } as const;

export function tokenFor<A extends Action>(action: A) {
  return { kind: "token", action } as const;
}

export function notImplemented(what: string) {
  return fail("not_implemented", `${what} is not available on this deployment yet`);
}
