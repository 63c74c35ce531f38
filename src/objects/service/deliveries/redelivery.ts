import {
  judgePinRedelivery,
  judgeSpawnRedelivery,
  judgeTerminationRedelivery,
  over,
  webhookName,
} from "../../../domain/deliveries/redelivery.ts";
import { pinnedRetryForMs, redeliveryWaitMs } from "../../../domain/limits.ts";
import { fail, ok, type Result } from "../../../domain/result.ts";
import type { ImagePinnedWebhookData } from "../../../protocol/webhooks/webhook.ts";
import type { LoggedAttempt, RedeliveryParams } from "../../contract.ts";
import { inTime } from "../../failures/in-time.ts";
import { unreached } from "../../failures/unreached.ts";
import { enqueueTermination } from "../backends/lifecycle.ts";
import { enqueuePinned } from "../pins/announce.ts";
import type { DeliveryRow } from "../sql/service.sql.ts";
import type { ServiceState } from "../state.ts";
import type { AttemptLog } from "./attempt-log.ts";
import type { Deliveries } from "./deliveries.ts";

export interface RedeliveryPorts {
  state: ServiceState;
  deliveries: Deliveries;
  attempts: AttemptLog;
  /** Starts what is due. */
  work(): void;
}

/**
 * Sends a webhook of this service again, or joins the attempt that is under way.
 * @returns the attempt; `delivery_over` where it is of no more use, `unavailable` where no attempt ended in time
 */
export async function redeliver(
  ports: RedeliveryPorts,
  request: RedeliveryParams,
  now: number,
): Promise<Result<LoggedAttempt>> {
  const { state, attempts } = ports;
  if (!state.db.ready || state.cluster(request.cluster)?.registration !== request.registration) {
    return over("its cluster is not registered as it was");
  }
  const watch = attempts.watch(request.id, request.attempts);
  try {
    const begun = begin(ports, request, now);
    if (!begun.ok) return begun;
    const attempt = await inTime(watch.next, redeliveryWaitMs);
    await attempts.flush();
    return ok(attempt);
  } catch (error) {
    if (!unreached(error)) throw error;
    return fail("unavailable", "no attempt has ended in time; see the deliveries of the cluster", {
      retryAfterSeconds: 5,
    });
  } finally {
    watch.stop();
  }
}

function begin(ports: RedeliveryPorts, request: RedeliveryParams, now: number): Result<null> {
  const { state, deliveries } = ports;
  const webhook = webhookName(request.id);
  if (webhook?.type === "backend.spawn") return beginSpawn(ports, webhook.backendId);
  const begun = state.db.transaction(() => {
    const pending = state.sql.delivery(request.id);
    const judged =
      webhook?.type === "backend.terminate"
        ? enqueueTerminationAgain(state, webhook, pending, now)
        : enqueuePinAgain(state, request, pending, now);
    if (judged.ok && pending && !deliveries.isSending(request.id)) {
      state.sql.retryDelivery(request.id, pending.attempts, now);
    }
    return judged;
  });
  if (begun.ok) ports.work();
  return begun;
}

function beginSpawn({ state, deliveries }: RedeliveryPorts, backendId: string): Result<null> {
  const row = state.backend(backendId);
  const judged = judgeSpawnRedelivery(
    row && { status: row.status, acknowledged: state.spawns.isAcknowledged(row) },
  );
  if (!judged.ok) return judged;
  void (judged.value === "repetition" ? deliveries.repeatSpawn(backendId) : deliveries.spawn(backendId));
  return ok(null);
}

/** One that was acknowledged is delivered anew under its id, as if it had not been: its end is still waited for. */
function enqueueTerminationAgain(
  state: ServiceState,
  { backendId, hard }: { backendId: string; hard: boolean },
  pending: DeliveryRow | undefined,
  now: number,
): Result<null> {
  const row = state.backend(backendId);
  const judged = judgeTerminationRedelivery(row, pending !== undefined);
  if (judged.ok && row && !pending) {
    enqueueTermination(state, row, { backend_id: row.id, hard, reason: row.reason ?? "external" }, now);
  }
  return judged;
}

function enqueuePinAgain(
  state: ServiceState,
  request: RedeliveryParams,
  pending: DeliveryRow | undefined,
  now: number,
): Result<null> {
  const data: ImagePinnedWebhookData | undefined = pending ? JSON.parse(pending.data) : request.announced;
  const row = data && state.environments.get(data.environment);
  const judged = judgePinRedelivery(
    data && { cluster: request.cluster, revision: data.revision, digest: data.image.digest },
    row && {
      cluster: row.cluster ?? state.config().defaultCluster,
      revision: row.revision,
      digest: row.digest,
    },
  );
  if (judged.ok && data && !pending) {
    const when = { attempts: 0, next_attempt_at: now, expires_at: now + pinnedRetryForMs };
    enqueuePinned(state, { id: request.id, data }, { cluster: request.cluster, ...when });
  }
  return judged;
}
