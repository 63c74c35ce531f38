import {
  judgePinRedelivery,
  judgeSpawnRedelivery,
  judgeTerminationRedelivery,
  over,
  webhookName,
} from "../../../domain/deliveries/redelivery.ts";
import { webhookAttemptTimeoutMs } from "../../../domain/limits.ts";
import { fail, ok, type Result } from "../../../domain/result.ts";
import type { ImagePinnedWebhookData } from "../../../protocol/webhooks/webhook.ts";
import { inTime } from "../../cluster/in-time.ts";
import type { LoggedAttempt, RedeliveryParams } from "../../contract.ts";
import { unreached } from "../../unreached.ts";
import { enqueueTermination } from "../backends/lifecycle.ts";
import { digestOf } from "../pins/environments.ts";
import type { DeliveryRow } from "../sql/service.sql.ts";
import type { ServiceState } from "../state.ts";
import type { AttemptLog } from "./attempt-log.ts";
import type { Deliveries } from "./deliveries.ts";
import { enqueuePinnedData } from "./webhooks.ts";

export interface RedeliveryPorts {
  state: ServiceState;
  deliveries: Deliveries;
  attempts: AttemptLog;
  /** Starts what is due. */
  work(): void;
}

/** A termination may have to wait for the spawn that is under way, which it must not overtake. */
const attemptMetWithinMs = 2 * webhookAttemptTimeoutMs + 2_000;

/**
 * Sends a webhook of this service again, or joins the attempt that is under way.
 * @returns the attempt; `delivery_over` where it is of no more use, `unavailable` where no attempt ended in time
 */
export async function redeliver(
  ports: RedeliveryPorts,
  wish: RedeliveryParams,
  now: number,
): Promise<Result<LoggedAttempt>> {
  const { state, attempts } = ports;
  if (!state.db.ready || state.cluster(wish.cluster)?.registration !== wish.registration) {
    return over("its cluster is not registered as it was");
  }
  const watch = attempts.watch(wish.id, wish.attempts);
  try {
    const begun = begin(ports, wish, now);
    if (!begun.ok) return begun;
    const attempt = await inTime(watch.next, attemptMetWithinMs);
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

function begin(ports: RedeliveryPorts, wish: RedeliveryParams, now: number): Result<null> {
  const { state, deliveries } = ports;
  const webhook = webhookName(wish.id);
  if (webhook?.type === "backend.spawn") return beginSpawn(ports, webhook.backendId);
  const begun = state.db.transaction(() => {
    const pending = state.sql.delivery(wish.id);
    const judged =
      webhook?.type === "backend.terminate"
        ? enqueueTerminationAgain(state, webhook, pending, now)
        : enqueuePinAgain(state, wish, pending, now);
    if (judged.ok && pending && !deliveries.isSending(wish.id)) {
      state.sql.retryDelivery(wish.id, pending.attempts, now);
    }
    return judged;
  });
  if (begun.ok) ports.work();
  return begun;
}

function beginSpawn({ state, deliveries }: RedeliveryPorts, backendId: string): Result<null> {
  // An acknowledgement that is not written down yet is one all the same.
  deliveries.flush();
  const row = state.sql.backend(backendId);
  const judged = judgeSpawnRedelivery(
    row && { status: row.status, acknowledged: row.next_attempt_at === null },
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
  const row = state.sql.backend(backendId);
  const judged = judgeTerminationRedelivery(row, pending !== undefined);
  if (judged.ok && row && !pending) {
    enqueueTermination(state, row, { backend_id: row.id, hard, reason: row.reason ?? "external" }, now);
  }
  return judged;
}

function enqueuePinAgain(
  state: ServiceState,
  wish: RedeliveryParams,
  pending: DeliveryRow | undefined,
  now: number,
): Result<null> {
  const data: ImagePinnedWebhookData | undefined = pending ? JSON.parse(pending.data) : wish.announced;
  const row = data && state.sql.environment(data.environment);
  const judged = judgePinRedelivery(
    data && { cluster: wish.cluster, revision: data.revision, digest: data.image.digest },
    row && {
      cluster: row.cluster ?? state.config().defaultCluster,
      revision: row.revision,
      digest: digestOf(state, row),
    },
  );
  if (judged.ok && data && !pending) enqueuePinnedData(state, wish.id, wish.cluster, data, now);
  return judged;
}
