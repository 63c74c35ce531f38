import { fail, ok, type Result } from "../../../domain/result.ts";
import type { Actor } from "../../contract.ts";
import { recordEvent } from "../feed/event-outbox.ts";
import type { BackendRow } from "../sql/service.sql.ts";
import type { ServiceState } from "../state.ts";
import { endBackend } from "./lifecycle.ts";
import type { ShardNotifier } from "./shard-notifier.ts";

export interface ReleasePorts {
  state: ServiceState;
  shards: Pick<ShardNotifier, "notify">;
  /** Starts what is due. */
  work(): void;
}

/** Releases a backend, and notifies its shard and those who wait for its key. */
export async function releaseBackend(
  ports: ReleasePorts,
  backendId: string,
  note: string,
  actor: Actor,
  now: number,
): Promise<Result<null>> {
  const { state, shards } = ports;
  const released = state.db.transaction(() => release(state, backendId, note, actor, now));
  if (released.ok) {
    ports.work();
    await shards.notify(backendId);
  }
  return released;
}

/**
 * Ends a backend of which nobody knows whether it runs, on the word of a person who has made sure that it does not. Doing
 * it again changes nothing; `backend_not_held` for one that an agent runs, or that has ended by itself.
 */
function release(
  state: ServiceState,
  backendId: string,
  note: string,
  actor: Actor,
  now: number,
): Result<null> {
  if (state.db.ready && state.sql.isReleased(backendId)) return ok(null);
  const row = state.db.ready ? state.backend(backendId) : undefined;
  if (!row || row.held_at === null || row.status === "terminated") return notHeld(backendId, row);
  endBackend(state, row, { reason: "lost", at: now });
  state.sql.noteRelease(row.id, now);
  const target = { service: state.row().name, environment: row.environment, backend_id: backendId };
  recordEvent(state, { type: "backend.released", actor, ...target, details: { note } }, now);
  return ok(null);
}

function notHeld(backendId: string, row: BackendRow | undefined) {
  const why =
    row === undefined || row.status === "terminated"
      ? "it has ended"
      : row.key === null
        ? "it holds no key"
        : "its agent runs it or is still waited for; terminate it instead";
  return fail("backend_not_held", `there is nothing to release of backend \`${backendId}\`: ${why}`);
}
