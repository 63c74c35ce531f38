import type { Action } from "../../domain/credentials/access.ts";

/** The accesses that routes declare. */
export const publicAccess = { kind: "public" } as const;
export const rootAccess = { kind: "root" } as const;
export const anyToken = { kind: "any_token" } as const;

export function tokenFor<A extends Action>(action: A) {
  return { kind: "token", action } as const;
}
