import { checkReach, reaches } from "../../../domain/credentials/access.ts";
import { fail, ok, type Result } from "../../../domain/result.ts";
import type { Actor, TerminateAllParams } from "../../contract.ts";
import { recordEvent } from "../feed/event-outbox.ts";
import type { ServiceState } from "../state.ts";
import { beginTermination } from "./lifecycle.ts";

const atOnce = 500;

/** Terminates one backend. `backend_not_running` for one that has ended. */
export function terminate(
  state: ServiceState,
  backendId: string,
  hard: boolean,
  actor: Actor,
  now: number,
): Result<null> {
  const row = state.db.ready ? state.sql.backend(backendId) : undefined;
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

/** Terminates the live backends that match, at most so many in one call; `complete` says whether those were all. */
export function terminateAll(
  state: ServiceState,
  params: TerminateAllParams,
  actor: Actor,
  now: number,
): Result<{ matched: number; terminated: number; complete: boolean }> {
  const { before, environment } = params;
  const reach = environment === undefined ? ok(null) : checkReach(actor.environments, environment);
  if (!reach.ok) return reach;
  const matched = state.sql
    .liveBackends()
    .filter(
      (row) =>
        (before === null || row.created_at < before) &&
        (environment === undefined || row.environment === environment) &&
        reaches(actor.environments, row.environment),
    );
  const chosen = params.dryRun ? [] : matched.slice(0, atOnce);
  const { hard } = params;
  const ended = chosen.filter((row) => beginTermination(state, row, { hard, reason: "external" }, now));
  if (ended.length > 0) {
    const details = { hard, count: ended.length };
    recordEvent(state, { type: "backend.terminated", actor, service: state.row().name, details }, now);
  }
  return ok({
    matched: matched.length,
    terminated: chosen.length,
    complete: params.dryRun || chosen.length === matched.length,
  });
}
