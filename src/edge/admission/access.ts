import type { Action } from "../../domain/credentials/access.ts";
import type { RepositoryAction } from "../../domain/registry/actions.ts";

/** What a route, a page or an endpoint of the registry demands of the holder of a token. */
export type TokenAccess =
  /** Any token that is valid, whatever it may do: to learn whose it is. */
  | { readonly kind: "any_token" }
  /** A token whose scope permits the action on what the request names. */
  | {
      readonly kind: "token";
      readonly action: Action;
      /** Whether a token that is narrowed to a service will do where the request names none. */
      readonly anyScope?: boolean;
    }
  /** A token, or a registry token, with a right to the repository of the service that the request names. */
  | { readonly kind: "repository"; readonly action: RepositoryAction };

/** Who may call a route of the API. */
export type RouteAccess =
  | { readonly kind: "public" }
  /** The deployment's root token. */
  | { readonly kind: "root" }
  | Exclude<TokenAccess, { kind: "repository" }>;

/** The accesses that routes declare. */
export const publicAccess = { kind: "public" } as const;
export const rootAccess = { kind: "root" } as const;
export const anyToken = { kind: "any_token" } as const;

export function tokenFor<A extends Action>(action: A) {
  return { kind: "token", action } as const;
}
