import { checkReach, reaches, type Scope } from "../credentials/access.ts";
import type { Protection } from "../deploys/protection.ts";
import { listOf, namesIn } from "../names.ts";
import { fail, ok, type Result } from "../result.ts";

/** The environment that each service begins with. */
export const defaultEnvironmentName = "default";

/** What an environment decides about the backends spawned into it, and what keeps it from being changed. Durations in seconds. */
export interface EnvironmentSettings extends Protection {
  startup_timeout_seconds: number;
  /** 0 means that an idle backend is never swept. */
  max_idle_seconds: number;
  lifetime_limit_seconds?: number;
}

/** The environments that there are. */
export interface ExistingEnvironments {
  has(name: string): boolean;
  /** All of them. */
  names(): readonly string[];
}

/** The same of a list of their names. */
export function existing(names: readonly string[]): ExistingEnvironments {
  return { has: (name) => names.includes(name), names: () => names };
}

/**
 * Which environment a request means.
 *
 * A service whose only environment is `default` uses it when none is named. As soon as others exist a
 * request must name one, unless the service has been given a default environment.
 * @param environments the service's
 * @param allowed those that the token is narrowed to; undefined means all
 * @returns its name; `forbidden` for one that the token does not reach; `environment_not_found` or
 *   `environment_required`, each with those that there are as far as the token reaches
 * @example chooseEnvironment(undefined, existing(["default"]), null) // ok("default")
 * @example chooseEnvironment(undefined, existing(["default", "prod"]), null) // environment_required
 */
export function chooseEnvironment(
  named: string | undefined,
  environments: ExistingEnvironments,
  serviceDefault: string | null,
  allowed?: Scope["environments"],
): Result<string> {
  const name = named ?? unnamed(environments, serviceDefault);
  if (name === undefined) {
    const reached = environments.names().filter((candidate) => reaches(allowed, candidate));
    return fail("environment_required", `name the environment: ${thereAre(reached, allowed)}`, {
      details: namesIn("environments", reached),
    });
  }
  const reach = checkReach(allowed, name);
  if (!reach.ok) return reach;
  return environments.has(name) ? ok(name) : environmentNotFound(name, environments.names(), allowed);
}

/** The environment that a request without a name means; undefined where it has to name one. */
function unnamed(environments: ExistingEnvironments, serviceDefault: string | null): string | undefined {
  if (serviceDefault !== null && environments.has(serviceDefault)) return serviceDefault;
  const names = environments.names();
  const [only] = names;
  return names.length === 1 && only === defaultEnvironmentName ? only : undefined;
}

/**
 * The failure for an environment that does not exist.
 * @param existing the names of those that do
 * @param allowed those that the token is narrowed to, since others are not named; undefined means all
 */
export function environmentNotFound(
  named: string,
  existing: readonly string[],
  allowed: Scope["environments"],
) {
  const reached = existing.filter((candidate) => reaches(allowed, candidate));
  return fail("environment_not_found", `environment \`${named}\` not found; ${thereAre(reached, allowed)}`, {
    details: namesIn("environments", reached),
  });
}

function thereAre(reached: readonly string[], allowed: Scope["environments"]): string {
  return `${allowed === undefined ? "this service has" : "of this service, this token reaches"} ${listOf(reached)}`;
}
