import { fail, ok, type Result } from "../../../domain/result.ts";
import type { ConnectCall, Connection } from "../../contract.ts";
import type { ServiceRow } from "../sql/service.sql.ts";
import type { ServiceState } from "../state.ts";
import { connectionOf, type Decided, decideAndRecord } from "./decide.ts";

/**
 * Decides a connect, or finds what the same request was answered before. The record of the request is written with
 * the decision, so that a retry after a crash finds the backend that was decided instead of starting another.
 */
export function replayOrDecide(
  state: ServiceState,
  service: ServiceRow,
  call: ConnectCall,
  deliveries: { isSpawning(backendId: string): boolean },
  now: number,
  random: Uint8Array,
): Result<Decided | { step: "replay"; result: Result<Connection> }> {
  if (!call.idempotency) return decideAndRecord(state, service, call, now, random);
  const found = state.idempotency.find<Connection>(call.idempotency, now);
  if (!found.ok) return found;
  if (found.value?.result) return ok({ step: "replay", result: found.value.result });
  if (found.value?.subject) {
    const backendId = found.value.subject;
    if (deliveries.isSpawning(backendId)) {
      return fail("idempotency_in_progress", "the first request with this Idempotency-Key is still running", {
        retryAfterSeconds: 1,
      });
    }
    const row = state.sql.backend(backendId);
    if (row) return ok({ step: "reused", draft: connectionOf(row, true, row.created_at) });
    return fail("cluster_unavailable", `backend \`${backendId}\`, which this request started, has ended`, {
      details: { backend_id: backendId },
    });
  }
  const decided = decideAndRecord(state, service, call, now, random);
  if (decided.ok && decided.value.step !== "wait") {
    state.idempotency.keep(call.idempotency, { result: null, subject: decided.value.draft.backendId }, now);
  }
  return decided;
}
