import type { Action } from "../../domain/credentials/access.ts";
import type { RepositoryAction } from "../../domain/registry/actions.ts";

/** What a route, a page or an endpoint of the registry requires of a token. */
export type TokenAccess =
  /** Any valid token, whatever its role and scope. */
  | { readonly kind: "any_token" }
  /** A token that permits the action on the target of the request. */
  | {
      readonly kind: "token";
      readonly action: Action;
      /** Whether a token narrowed to a service is sufficient where the request names no service. */
      readonly anyScope?: boolean;
      /** Whether the environments that it changes are named within (`Target.namesWithin` in src/domain/credentials/access.ts). */
      readonly namesWithin?: boolean;
    }
  /** An access token, or a registry token that was granted the list of repositories. */
  | { readonly kind: "catalog" }
  /** An access token or registry token that permits the action on the repository that the request names. */
  | { readonly kind: "repository"; readonly action: RepositoryAction };

/** Who may call a route of the API. */
export type RouteAccess =
  | { readonly kind: "public" }
  /** The deployment's root token. */
  | { readonly kind: "root" }
  | Exclude<TokenAccess, { kind: "repository" | "catalog" }>;

// What routes declare as their `access`.
export const publicAccess = { kind: "public" } as const;
export const rootAccess = { kind: "root" } as const;
export const anyToken = { kind: "any_token" } as const;

export function tokenFor<A extends Action>(action: A) {
  return { kind: "token", action } as const;
}

/** The same, where the environments that the request changes are in its body or its record: the object checks each of them. */
export function tokenForNamed<A extends Action>(action: A) {
  return { kind: "token", action, namesWithin: true } as const;
}
