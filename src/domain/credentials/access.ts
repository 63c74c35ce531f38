import { listOf } from "../names.ts";
import { fail, ok, type Result } from "../result.ts";

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
  service?: string;
  environments?: readonly string[];
  cluster?: string;
}

/** What a request acts on, as far as its path tells. */
export interface Target {
  service?: string;
  environment?: string;
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
    if (target.environment === undefined && (action === "deploy" || action === "admin")) {
      return fail("forbidden", `this token may only change environments ${listOf(scope.environments)}`);
    }
  }
  return ok(null);
}

function neededRole(action: Action): string {
  const roles = tokenRoles.filter((role) => permitted[role].includes(action));
  return roles.length === 0 ? "a cluster's agent token" : roles.map((role) => `\`${role}\``).join(" or ");
}
