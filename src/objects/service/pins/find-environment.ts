import { chooseEnvironment, environmentNotFound } from "../../../domain/pins/environments.ts";
import { fail, ok, type Result } from "../../../domain/result.ts";
import type { Actor, Caller } from "../../contract.ts";
import type { EnvironmentRow, ServiceRow } from "../sql/service.sql.ts";
import type { ServiceState } from "../state.ts";

export function findEnvironment(state: ServiceState, name: string): Result<EnvironmentRow> {
  const row = state.sql.environment(name);
  if (row) return ok(row);
  return environmentNotFound(
    name,
    state.sql.environments().map((environment) => environment.name),
  );
}

/** An environment that is to be changed; `revision_conflict` where the caller expects another revision. */
export function findToChange(
  state: ServiceState,
  name: string,
  { ifMatch }: Pick<Caller, "ifMatch">,
): Result<EnvironmentRow> {
  const row = findEnvironment(state, name);
  if (!row.ok || ifMatch === undefined || ifMatch === row.value.revision) return row;
  const { revision, image } = row.value;
  return fail("revision_conflict", `environment \`${name}\` is at revision ${revision}, not ${ifMatch}`, {
    details: { revision, image },
  });
}

/**
 * The environment that a change means.
 * @param named undefined: the one that a request without a name would use
 * @returns its name; `forbidden` where the actor's token is narrowed to others
 */
export function chooseToChange(
  state: ServiceState,
  service: ServiceRow,
  named: string | undefined,
  actor: Actor,
): Result<string> {
  const names = state.sql.environments().map(({ name }) => name);
  const chosen = chooseEnvironment(named, names, service.default_environment);
  if (!chosen.ok) return chosen;
  if (actor.environments && !actor.environments.includes(chosen.value)) {
    return fail("forbidden", `this token may not change environment \`${chosen.value}\``);
  }
  return chosen;
}
