import { meantAndLive, stillToTerminate } from "../../../domain/backends/mass-termination.ts";
import { checkReach } from "../../../domain/credentials/access.ts";
import { fail, ok, type Result } from "../../../domain/result.ts";
import type { CreateTerminationBody, Termination } from "../../../protocol/v3/terminations.ts";
import type { Actor, Caller, TerminateAllParams } from "../../contract.ts";
import { recordEvent } from "../feed/event-outbox.ts";
import { findEnvironment } from "../pins/find-environment.ts";
import type { MassTerminationRow } from "../sql/mass-terminations.sql.ts";
import type { ServiceState } from "../state.ts";
import { beginTermination } from "./lifecycle.ts";
import {
  beginMassTermination,
  continueMassTerminations,
  type MassTermination,
  massTerminationView,
} from "./mass-terminations.ts";

/** Terminates one backend. `backend_not_running` for one that has ended. */
export function terminate(
  state: ServiceState,
  backendId: string,
  hard: boolean,
  actor: Actor,
  now: number,
): Result<null> {
  const row = state.db.ready ? state.backend(backendId) : undefined;
  if (!row || row.status === "terminated") {
    return fail("backend_not_running", `backend \`${backendId}\` is not running`);
  }
  const reach = checkReach(actor.environments, row.environment);
  if (!reach.ok) return reach;
  if (beginTermination(state, row, { hard, reason: "external" }, now)) {
    const target = { service: state.row().name, environment: row.environment, backend_id: backendId };
    recordEvent(state, { type: "backend.terminated", actor, ...target, details: { hard } }, now);
  }
  return ok(null);
}

/**
 * Terminates all backends that are meant, what its clusters can receive at once now and the rest in the background. Dry, it counts them and ends none.
 * @returns how many are meant; how many of these are being terminated already, and whether these are all
 */
export function terminateAll(
  state: ServiceState,
  params: TerminateAllParams,
  actor: Actor,
  now: number,
): Result<{ matched: number; terminated: number; complete: boolean }> {
  const { hard, before, environment } = params;
  const reach = environment === undefined ? ok(null) : checkReach(actor.environments, environment);
  if (!reach.ok) return reach;
  const environments = environmentsMeant(environment, actor);
  const lastFencingToken = state.backends.newestFencingToken();
  const meant = { hard, createdBefore: before, environments, lastFencingToken };
  const matched = meantAndLive(state.backends.all(), meant).length;
  if (params.dryRun || matched === 0) return ok({ matched, terminated: 0, complete: true });
  requestTermination(state, { hard, createdBefore: before, environments }, actor, now);
  continueMassTerminations(state, now);
  const left = stillToTerminate(state.backends.all(), meant).length;
  return ok({ matched, terminated: matched - left, complete: left === 0 });
}

/** Begins to terminate backends, as `beginMassTermination`. `forbidden` for an environment that the actor may not touch. */
export function createTermination(
  state: ServiceState,
  { environment, hard, created_before }: CreateTerminationBody,
  { actor, idempotency }: Pick<Caller, "actor" | "idempotency">,
  now: number,
): Result<Termination> {
  const reach = environment === undefined ? ok(null) : checkReach(actor.environments, environment);
  if (!reach.ok) return reach;
  return state.idempotency.once(idempotency, now, () => {
    const known =
      environment === undefined ? ok(null) : findEnvironment(state, environment, actor.environments);
    if (!known.ok) return known;
    const createdBefore = created_before === undefined ? null : Date.parse(created_before);
    const environments = environmentsMeant(environment, actor);
    const row = requestTermination(state, { hard, createdBefore, environments }, actor, now);
    return ok(massTerminationView(state, row));
  });
}

/** The environments of which backends are ended: what is named, or what the actor may touch; null: all. */
function environmentsMeant(named: string | undefined, { environments }: Actor): string[] | null {
  if (named !== undefined) return [named];
  return environments ? [...environments].sort() : null;
}

function requestTermination(
  state: ServiceState,
  params: Omit<MassTermination, "cause">,
  actor: Actor,
  now: number,
): MassTerminationRow {
  const { row, begun } = beginMassTermination(state, { cause: "request", ...params }, now);
  if (begun > 0) {
    const details = { hard: params.hard, count: begun };
    recordEvent(state, { type: "backend.terminated", actor, service: state.row().name, details }, now);
  }
  return row;
}
