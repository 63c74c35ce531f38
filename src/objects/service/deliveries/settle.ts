import type { DeliveryVerdict } from "../../../domain/deliveries/delivery.ts";
import { backoffDelayMs, spawnRetryDelayMs } from "../../../domain/deliveries/retry.ts";
import { type Backoff, pinnedBackoff, terminationBackoff } from "../../../domain/limits.ts";
import { fail, ok, type Result } from "../../../domain/result.ts";
import { beginTermination, endBackend, giveUpSpawn, terminationDelivered } from "../backends/lifecycle.ts";
import type { BackendRow, DeliveryRow } from "../sql/service.sql.ts";
import type { ServiceState } from "../state.ts";
import { answeredUrl } from "./webhooks.ts";

/*
 * What becomes of an attempt. Each function runs inside a transaction, with the attempt's verdict; `now` is in
 * milliseconds since the epoch, `random` gives numbers in [0, 1).
 */

/** Settles an attempt at a spawn. @returns as `Deliveries.spawn` does */
export function settleSpawn(
  state: ServiceState,
  backendId: string,
  verdict: DeliveryVerdict,
  now: number,
  random: () => number,
): Result<string> {
  const row = state.sql.backend(backendId);
  // Ended, or to be ended, while the attempt was under way: nothing depends on its answer any more.
  if (row?.status !== "scheduled") return spawnOutcome(state, backendId);
  switch (verdict.verdict) {
    case "delivered":
      return spawnAccepted(state, row, verdict.body, now);
    case "refused":
      if (row.attempts > 0) giveUpSpawn(state, row, "internalerror", now);
      else endBackend(state, row, "internalerror", now);
      return fail("cluster_refused", `cluster \`${row.cluster}\` refused the backend: ${verdict.message}`, {
        details: { backend_id: row.id, cluster_status: verdict.status },
      });
    case "retry":
      return spawnFailed(state, row, verdict, now, random);
  }
}

/** How a backend's spawn stands by its row: its URL, or `cluster_unavailable` where there is none. */
export function spawnOutcome(state: ServiceState, backendId: string): Result<string> {
  const row = state.sql.backend(backendId);
  if (row?.base_url != null && row.status !== "terminated") return ok(row.base_url);
  return fail("cluster_unavailable", `backend \`${backendId}\` has no URL`, {
    details: { backend_id: backendId },
  });
}

function spawnAccepted(state: ServiceState, row: BackendRow, body: string, now: number): Result<string> {
  const url = answeredUrl(body);
  if (url !== null && url !== row.base_url) state.spawns.acknowledgeWithUrl(row.id, url);
  else state.spawns.acknowledge(row);
  const known = url ?? row.base_url;
  if (known !== null) return ok(known);
  beginTermination(state, row, { hard: true, reason: "internalerror" }, now);
  return fail(
    "cluster_bad_answer",
    `cluster \`${row.cluster}\` has no backend_url_template and answered without a usable \`url\`; the backend is being terminated`,
    { details: { backend_id: row.id } },
  );
}

function spawnFailed(
  state: ServiceState,
  row: BackendRow,
  verdict: Extract<DeliveryVerdict, { verdict: "retry" }>,
  now: number,
  random: () => number,
): Result<string> {
  // A status report can be quicker than the answer that was lost.
  if (state.spawns.isAcknowledged(row) && row.base_url !== null) return ok(row.base_url);
  const attempts = row.attempts + 1;
  const delay = spawnRetryDelayMs(attempts, random(), verdict.retryAfterMs);
  if (delay === null) {
    giveUpSpawn(state, row, "startuptimeout", now);
    return clusterUnavailable(row, `${verdict.message}; given up after ${attempts} attempts`);
  }
  state.spawns.retry(row.id, attempts, now + delay);
  if (row.base_url !== null) return ok(row.base_url);
  return clusterUnavailable(row, `${verdict.message}; it is asked again`);
}

function clusterUnavailable(row: BackendRow, why: string) {
  return fail("cluster_unavailable", `cluster \`${row.cluster}\`: ${why}`, {
    details: { backend_id: row.id },
    retryAfterSeconds: 2,
  });
}

const backoffs: Record<DeliveryRow["type"], Backoff> = {
  "backend.terminate": terminationBackoff,
  "image.pinned": pinnedBackoff,
};

export interface SettledDelivery {
  /** The backend that ended with the delivery, null where none did. */
  ended: string | null;
  /** When there is something to do next, in milliseconds since the epoch. */
  wakeAt: number | null;
}

/** Settles an attempt at a delivery that is no spawn: removes it, or schedules the next attempt. */
export function settleDelivery(
  state: ServiceState,
  deliveryId: string,
  verdict: DeliveryVerdict,
  now: number,
  random: () => number,
): SettledDelivery {
  const row = state.sql.delivery(deliveryId);
  if (!row) return { ended: null, wakeAt: null };
  const over = isOver(row, verdict);
  if (over !== null) return remove(state, row, over, now);
  const attempts = row.attempts + 1;
  const retryAfterMs = verdict.verdict === "retry" ? verdict.retryAfterMs : 0;
  const next = now + backoffDelayMs(backoffs[row.type], attempts, random(), retryAfterMs);
  if (next > row.expires_at) return remove(state, row, "expired", now);
  state.sql.retryDelivery(row.id, attempts, next);
  return { ended: null, wakeAt: next };
}

type Ending = Parameters<typeof terminationDelivered>[2];

function isOver(row: DeliveryRow, verdict: DeliveryVerdict): Ending | null {
  if (verdict.verdict === "delivered") return "accepted";
  if (verdict.verdict === "refused" && verdict.status === 404) return "unknown_there";
  // Best effort: a cluster that refuses an announced pin is not sent it again.
  if (verdict.verdict === "refused" && row.type === "image.pinned") return "accepted";
  return null;
}

function remove(state: ServiceState, row: DeliveryRow, ending: Ending, now: number): SettledDelivery {
  state.sql.deleteDelivery(row.id);
  const { backend } = row;
  if (backend === null) return { ended: null, wakeAt: null };
  const hasEnded = terminationDelivered(state, backend, ending, now);
  return { ended: hasEnded ? backend : null, wakeAt: state.sql.backend(backend)?.deadline_at ?? null };
}
