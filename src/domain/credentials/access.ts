import { listOf } from "../names.ts";
import { fail, ok, type Result } from "../result.ts";
import type { TokenRight } from "./rights.ts";

/** The roles that a token can be created with. */
export const tokenRoles = ["admin", "deploy", "spawn", "read"] as const;
/** What a token is for. `agent` tokens belong to a cluster: they are made with it and never by hand. */
export type TokenRole = (typeof tokenRoles)[number] | "agent";

/** What a route does, as far as access is concerned. */
export type Action =
  /** Look at anything of the account. */
  | "read"
  /** Start, find and end backends. */
  | "spawn"
  /** Record images, change pins, create services and environments. */
  | "deploy"
  /** Tokens, clusters, deletion. */
  | "admin"
  /** What a cluster's agent reports. */
  | "agent";

const permitted: Record<TokenRole, readonly Action[]> = {
  admin: ["read", "spawn", "deploy", "admin"],
  deploy: ["read", "deploy"],
  spawn: ["read", "spawn"],
  read: ["read"],
  agent: ["agent"],
};

/** What a token may act on. An absent `service` or `environments` does not narrow. */
export interface Scope {
  role: TokenRole;
  /** Beside the role; absent where there are none. */
  rights?: readonly TokenRight[];
  service?: string;
  environments?: readonly string[];
  cluster?: string;
}

/** What a request acts on, as far as its path tells. */
export interface Target {
  service?: string;
  environment?: string;
  /** The environments that a change is about are in its body or its record: whoever reads that checks each by `checkReach`. */
  namesWithin?: boolean;
}

/**
 * Whether a token may do `action` to `target`, both of its own account (what is another account's is 404 before that,
 * invariant 8). A narrowed token reaches nothing that stands above what it is narrowed to.
 * @returns `forbidden`, with the roles or the names that would do
 * @example permits({ role: "read" }, "deploy", { service: "hello" }) // forbidden
 * @example permits({ role: "deploy", service: "hello" }, "deploy", { service: "hello" }) // ok
 */
export function permits(scope: Scope, action: Action, target: Target): Result<null> {
  if (!permitted[scope.role].includes(action)) {
    return fail(
      "forbidden",
      `a token with the role \`${scope.role}\` may not do this; it needs ${neededRole(action)}`,
    );
  }
  if (scope.service !== undefined && target.service !== scope.service) {
    return fail("forbidden", `this token may only act on service \`${scope.service}\``);
  }
  if (scope.environments !== undefined) {
    if (target.environment !== undefined && !scope.environments.includes(target.environment)) {
      return fail("forbidden", `this token may only act on environments ${listOf(scope.environments)}`);
    }
    const isAbove = target.environment === undefined && target.namesWithin !== true;
    if (isAbove && (action === "deploy" || action === "admin")) {
      return fail("forbidden", `this token may only change environments ${listOf(scope.environments)}`);
    }
  }
  return ok(null);
}

/**
 * Whether a token may act on, and learn of, an environment of a service that it reaches. Lists and views leave out what
 * it does not reach.
 * @param environments those that the token is narrowed to; undefined means all
 */
export function reaches(environments: Scope["environments"], environment: string): boolean {
  return environments === undefined || environments.includes(environment);
}

/**
 * The same for an environment that a body or query names, or that is meant where none is named.
 * @returns `forbidden`, in words that say nothing of what the token does not reach, not even whether it exists
 */
export function checkReach(environments: Scope["environments"], environment: string): Result<null> {
  if (environments === undefined || environments.includes(environment)) return ok(null);
  return fail("forbidden", `this token may only act on environments ${listOf(environments)}`);
}

/** What a request names to run in an environment, where the environment has something else. */
export interface RunChoice {
  /** Null: the account's default. */
  cluster?: string | null | undefined;
  /** A tag or digest. */
  image?: string | undefined;
}

/**
 * Whether a token may choose where an environment's backends run, and what. Clusters stand above services: whoever is
 * narrowed to environments takes an environment's own as it is. Images belong to the service, and so any of them may
 * be chosen.
 * @param own the cluster that the environment has, by itself or as the account's default; null where there is none
 * @param accountDefault the cluster that null stands for
 * @returns `forbidden` for another cluster, in the same words whether or not it exists
 * @example permitsChoice(["staging"], { cluster: "eu" }, { own: "us", accountDefault: "us" }) // forbidden
 */
export function permitsChoice(
  environments: Scope["environments"],
  { cluster }: RunChoice,
  { own, accountDefault }: { own: string | null; accountDefault: string | null },
): Result<null> {
  if (environments === undefined || cluster === undefined) return ok(null);
  if ((cluster ?? accountDefault) === own) return ok(null);
  return fail(
    "forbidden",
    "this token may not choose a cluster: it is narrowed to environments, which have theirs",
  );
}

function neededRole(action: Action): string {
  const roles = tokenRoles.filter((role) => permitted[role].includes(action));
  return roles.length === 0 ? "a cluster's agent token" : roles.map((role) => `\`${role}\``).join(" or ");
}
