import { chooseEnvironment } from "../../../domain/pins/environments.ts";
import { fail, type Result } from "../../../domain/result.ts";
import type { Actor } from "../../contract.ts";
import type { ServiceRow } from "../sql/service.sql.ts";
import type { ServiceState } from "../state.ts";

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
