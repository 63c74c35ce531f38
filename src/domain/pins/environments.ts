import { listOf } from "../names.ts";
import { fail, ok, type Result } from "../result.ts";

/** The environment that each service begins with. */
export const defaultEnvironmentName = "default";

/** What an environment decides about the backends spawned into it. Durations in seconds. */
export interface EnvironmentSettings {
  startup_timeout_seconds: number;
  /** 0 means that an idle backend is never swept. */
  max_idle_seconds: number;
  lifetime_limit_seconds?: number;
}

/**
 * Which environment a request means.
 *
 * A service whose only environment is `default` uses it when none is named. As soon as others exist a
 * request must name one, unless the service has been given a default environment.
 * @param existing the names of the service's environments
 * @returns its name; `environment_not_found` or `environment_required`, each with those that there are
 * @example chooseEnvironment(undefined, ["default"], null) // ok("default")
 * @example chooseEnvironment(undefined, ["default", "prod"], null) // environment_required
 */
export function chooseEnvironment(
  named: string | undefined,
  existing: readonly string[],
  serviceDefault: string | null,
): Result<string> {
  if (named !== undefined) {
    if (existing.includes(named)) return ok(named);
    return environmentNotFound(named, existing);
  }
  if (serviceDefault !== null && existing.includes(serviceDefault)) return ok(serviceDefault);
  const [only] = existing;
  if (existing.length === 1 && only === defaultEnvironmentName) return ok(only);
  return fail("environment_required", `name the environment: this service has ${listOf(existing)}`, {
    details: { environments: [...existing] },
  });
}

/** The failure for an environment that does not exist. @param existing the names of those that do, for its details */
export function environmentNotFound(named: string, existing: readonly string[]) {
  return fail(
    "environment_not_found",
    `environment \`${named}\` not found; this service has ${listOf(existing)}`,
    { details: { environments: [...existing] } },
  );
}
