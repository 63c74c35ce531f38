import { type Action, permits, type Scope } from "../credentials/access.ts";

/** What can be done to a repository, in the words of the token flow's scopes. */
export const repositoryActions = ["pull", "push", "delete"] as const;
/** One of them; a request may need several. */
export type RepositoryAction = (typeof repositoryActions)[number];

const neededAction: Record<RepositoryAction, Action> = { pull: "read", push: "deploy", delete: "admin" };

/**
 * What a token may do to the repository of a service of its own account. A push moves tags that any environment may
 * follow, so that a token narrowed to some environments does not push. A cluster's agent pulls whatever a spawn may
 * have it run.
 * @returns empty for a token that may do nothing there
 * @example permittedActions({ role: "deploy" }, "hello") // ["pull", "push"]
 */
export function permittedActions(scope: Scope, service: string): RepositoryAction[] {
  if (scope.role === "agent") return ["pull"];
  return repositoryActions.filter((action) => permits(scope, neededAction[action], { service }).ok);
}

/** The one service of whose repository alone a token may pull; undefined where it may pull from all of its account. */
export function onlyPullableService({ role, service }: Scope): string | undefined {
  return role === "agent" ? undefined : service;
}
