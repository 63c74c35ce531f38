import { checkReach } from "../../../domain/credentials/access.ts";
import { fail, ok, type Result } from "../../../domain/result.ts";
import type { Caller, Connection } from "../../contract.ts";
import type { ServiceState } from "../state.ts";
import { connectionOf, type Decided } from "./decide.ts";
import { parseReplaySubject } from "./replay-subject.ts";

/** What the same request was answered before, to be answered again as it was. */
export interface Replayed {
  step: "replayed";
  result: Result<Connection>;
}

/**
 * What there is of a request that its caller has made before under its idempotency key: its answer, or the backend that
 * it decided on and was cut short before it could answer with it. Null where the request is new, or named by no key.
 * `forbidden` where the caller may not connect any more to the environment that it was about.
 */
export function findReplay(
  state: ServiceState,
  deliveries: { isSpawning(backendId: string): boolean },
  { idempotency, actor }: Pick<Caller, "idempotency" | "actor">,
  now: number,
): Result<Replayed | Extract<Decided, { step: "reused" }> | null> {
  if (!idempotency) return ok(null);
  const found = state.idempotency.find<Connection>(idempotency, now);
  if (!found.ok) return found;
  if (!found.value?.subject) return ok(null);

  const { result, subject } = found.value;
  const { environment, backendId } = parseReplaySubject(subject);
  const permitted = checkReach(actor.environments, environment);
  if (!permitted.ok) return permitted;
  if (result) return ok({ step: "replayed", result });
  if (deliveries.isSpawning(backendId)) {
    return fail("idempotency_in_progress", "the first request with this Idempotency-Key is still running", {
      retryAfterSeconds: 1,
    });
  }
  const row = state.backend(backendId);
  if (row) return ok({ step: "reused", draft: connectionOf(row, true, row.created_at) });
  return fail("cluster_unavailable", `backend \`${backendId}\`, which this request started, has ended`, {
    details: { backend_id: backendId },
  });
}
