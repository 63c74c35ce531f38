import { type DeliveryVerdict, isNotThere } from "../../../domain/deliveries/delivery.ts";
import { backoffDelayMs, spawnRetryDelayMs } from "../../../domain/deliveries/retry.ts";
import {
  type Backoff,
  baseUrlMaxBytes,
  pinnedBackoff,
  pinnedRetryForMs,
  terminationBackoff,
} from "../../../domain/limits.ts";
import { fail, ok, type Result } from "../../../domain/result.ts";
import {
  beginTermination,
  endBackend,
  enqueueTermination,
  terminationDelivered,
} from "../backends/lifecycle.ts";
import { type announcementOf, enqueuePinned } from "../pins/announce.ts";
import type { BackendRow, DeliveryRow, EnvironmentRow } from "../sql/service.sql.ts";
import type { ServiceState } from "../state.ts";
import { answeredUrl } from "./webhooks.ts";

/*
 * What becomes of an attempt. Each function runs inside a transaction, with the attempt's verdict; `now` is in
 * milliseconds since the epoch, `random` gives numbers in [0, 1).
 */

/** An attempt at a spawn that has ended. */
export interface SpawnAttempt {
  /** The backend's row as it was when the attempt began. */
  sent: BackendRow;
  /** Whether there was no attempt before it. */
  isFirst: boolean;
  verdict: DeliveryVerdict;
}

type Retry = Extract<DeliveryVerdict, { verdict: "retry" }>;

/**
 * Settles an attempt at a spawn. Its cluster may have reported on the backend meanwhile: what it reported stands, and its
 * answer adds what only the answer says.
 * @returns as `Deliveries.spawn` does
 */
export function settleSpawn(
  state: ServiceState,
  { sent, isFirst, verdict }: SpawnAttempt,
  now: number,
  random: () => number,
): Result<string> {
  const row = state.backend(sent.id);
  if (!row || row.status === "terminated") return spawnOutcome(state, sent.id);
  if (verdict.verdict === "delivered") return spawnAccepted(state, row, sent, verdict.body, now);
  const mayRun = state.spawns.mayRunAfter(row, {
    isFirst,
    declined: verdict.verdict === "refused" || verdict.declined,
  });
  // It lives by what its cluster has reported, or is ending already.
  if (row.status !== "scheduled") return spawnOutcome(state, row.id);
  if (verdict.verdict === "retry") return spawnFailed(state, row, verdict, mayRun, now, random);
  giveUp(state, row, "internalerror", mayRun, now);
  return fail("cluster_refused", `cluster \`${row.cluster}\` refused the backend: ${verdict.message}`, {
    details: { backend_id: row.id, cluster_status: verdict.status },
  });
}

/** How a backend's spawn stands by its row: its URL, or `cluster_unavailable` where there is none. */
export function spawnOutcome(state: ServiceState, backendId: string): Result<string> {
  const row = state.backend(backendId);
  if (row?.base_url != null && row.status !== "terminated") return ok(row.base_url);
  return fail("cluster_unavailable", `backend \`${backendId}\` has no URL`, {
    details: { backend_id: backendId },
  });
}

function spawnAccepted(
  state: ServiceState,
  row: BackendRow,
  sent: BackendRow,
  body: string,
  now: number,
): Result<string> {
  // A URL that was reported while the attempt was under way is more recent than the one in its answer.
  const isReported = row.base_url !== sent.base_url;
  const url = isReported ? row.base_url : (answeredUrl(body) ?? row.base_url);
  if (url !== null && url !== row.base_url) state.spawns.acknowledgeWithUrl(row.id, url);
  else if (!state.spawns.isAcknowledged(row)) state.spawns.acknowledge(row);
  if (url !== null) return ok(url);
  beginTermination(state, row, { hard: true, reason: "internalerror" }, now);
  return fail(
    "cluster_bad_answer",
    `cluster \`${row.cluster}\` has no backend_url_template and answered without a usable \`url\` (http or https, at most ${baseUrlMaxBytes} bytes, no query, fragment or credentials); the backend is being terminated`,
    { details: { backend_id: row.id } },
  );
}

function spawnFailed(
  state: ServiceState,
  row: BackendRow,
  { message, retryAfterMs }: Retry,
  mayRun: boolean,
  now: number,
  random: () => number,
): Result<string> {
  // A status report or a heartbeat can be quicker than the answer that was lost.
  if (state.spawns.isAcknowledged(row)) return spawnOutcome(state, row.id);
  const attempts = row.attempts + 1;
  const delay = spawnRetryDelayMs(attempts, random(), retryAfterMs);
  if (delay === null) {
    giveUp(state, row, "startuptimeout", mayRun, now);
    return clusterUnavailable(row, `${message}; given up after ${attempts} attempts`);
  }
  state.spawns.retry(row.id, attempts, now + delay);
  if (row.base_url !== null) return ok(row.base_url);
  return clusterUnavailable(row, `${message}; it is asked again`);
}

/**
 * Gives a spawn up. What its cluster may run all the same is stopped there. A key is held until the cluster has shown that
 * nothing runs with it, or as long as its termination is tried (invariants 1 and 6); without one the backend has ended.
 */
function giveUp(
  state: ServiceState,
  row: BackendRow,
  reason: "internalerror" | "startuptimeout",
  mayRun: boolean,
  now: number,
): void {
  if (mayRun && row.key !== null) {
    beginTermination(state, row, { hard: true, reason }, now);
    return;
  }
  endBackend(state, row, { reason, at: now });
  if (mayRun) enqueueTermination(state, row, { backend_id: row.id, hard: true, reason }, now);
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

/**
 * Settles an attempt at a delivery that is no spawn: removes it, or schedules the next attempt.
 * @returns when there is something to do next, in milliseconds since the epoch; null where there is nothing
 */
export function settleDelivery(
  state: ServiceState,
  deliveryId: string,
  verdict: DeliveryVerdict,
  now: number,
  random: () => number,
): number | null {
  const row = state.sql.delivery(deliveryId);
  if (!row) return null;
  const over = isOver(row.type, verdict);
  if (over !== null) return remove(state, row, over, now);
  const attempts = row.attempts + 1;
  const next = nextAttemptAt(row.type, attempts, verdict, now, random);
  if (next > row.expires_at) return remove(state, row, "expired", now);
  state.sql.retryDelivery(row.id, attempts, next);
  return next;
}

/**
 * Settles the first attempt to announce what an environment was moved to: only one that has failed is written down.
 * @param row the environment as it was announced
 * @returns as `settleDelivery` does
 */
export function settleAnnouncement(
  state: ServiceState,
  { row, cluster, announcement }: SentAnnouncement,
  verdict: DeliveryVerdict,
  now: number,
  random: () => number,
): number | null {
  state.announcements.done(row);
  // What has moved it since is announced in its place.
  if (isOver(announcement.type, verdict) !== null || state.announcements.waits(row.seq)) return null;
  const next = nextAttemptAt(announcement.type, 1, verdict, now, random);
  const expiresAt = row.moved_at + pinnedRetryForMs;
  if (next > expiresAt) return null;
  const when = { attempts: 1, next_attempt_at: next, expires_at: expiresAt };
  enqueuePinned(state, announcement, { cluster, ...when });
  return next;
}

/** An announcement that was sent. */
export interface SentAnnouncement {
  /** The environment as it was then. */
  row: EnvironmentRow;
  cluster: string;
  announcement: ReturnType<typeof announcementOf>;
}

function nextAttemptAt(
  type: DeliveryRow["type"],
  attempts: number,
  verdict: DeliveryVerdict,
  now: number,
  random: () => number,
): number {
  const retryAfterMs = verdict.verdict === "retry" ? verdict.retryAfterMs : 0;
  return now + backoffDelayMs(backoffs[type], attempts, random(), retryAfterMs);
}

type Ending = Parameters<typeof terminationDelivered>[3];

function isOver(type: DeliveryRow["type"], verdict: DeliveryVerdict): Ending | null {
  if (verdict.verdict === "delivered") return "accepted";
  if (isNotThere(type, verdict)) return "unknown_there";
  // Best effort: a cluster that refuses an announced pin is not sent it again.
  if (verdict.verdict === "refused" && type === "image.pinned") return "accepted";
  return null;
}

function remove(
  state: ServiceState,
  { id, backend }: DeliveryRow,
  ending: Ending,
  now: number,
): number | null {
  state.sql.deleteDeliveries([id]);
  if (backend === null) return null;
  terminationDelivered(state, backend, id, ending, now);
  return state.backend(backend)?.deadline_at ?? null;
}
