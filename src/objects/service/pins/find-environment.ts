import { checkReach, type Scope } from "../../../domain/credentials/access.ts";
import { chooseEnvironment, environmentNotFound } from "../../../domain/pins/environments.ts";
import { fail, ok, type Result } from "../../../domain/result.ts";
import type { Caller } from "../../contract.ts";
import type { EnvironmentRow, ServiceRow } from "../sql/service.sql.ts";
import type { ServiceState } from "../state.ts";

/** An environment by its name. @param allowed those that the caller is narrowed to; undefined means all */
export function findEnvironment(
  state: ServiceState,
  name: string,
  allowed?: Scope["environments"],
): Result<EnvironmentRow> {
  const reach = checkReach(allowed, name);
  if (!reach.ok) return reach;
  const row = state.environments.get(name);
  return row ? ok(row) : environmentNotFound(name, state.environmentSnapshots.names(), allowed);
}

/** An environment that is to be changed; `revision_conflict` where the caller expects another revision. */
export function findToChange(
  state: ServiceState,
  name: string,
  { ifMatch, actor }: Pick<Caller, "ifMatch" | "actor">,
): Result<EnvironmentRow> {
  const row = findEnvironment(state, name, actor.environments);
  if (!row.ok || ifMatch === undefined || ifMatch === row.value.revision) return row;
  const { revision, image } = row.value;
  return fail("revision_conflict", `environment \`${name}\` is at revision ${revision}, not ${ifMatch}`, {
    details: { revision, image },
  });
}

/**
 * The environment that a request means.
 * @param named undefined: the one that a request without a name would use
 * @param allowed those that the caller is narrowed to; undefined means all
 * @returns its name; `forbidden` where the caller is narrowed to others
 */
export function chooseNamed(
  state: ServiceState,
  { default_environment: serviceDefault }: Pick<ServiceRow, "default_environment">,
  named: string | undefined,
  allowed?: Scope["environments"],
): Result<string> {
  return chooseEnvironment(named, state.environmentSnapshots, serviceDefault, allowed);
}
