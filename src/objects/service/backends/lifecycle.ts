import { endsUnseen, type Fence } from "../../../domain/backends/fence.ts";
import {
  type BackendStatus,
  isConnectable,
  type StatusEntry,
  statusRank,
  type TerminationReason,
} from "../../../domain/backends/status.ts";
import { terminationReportSlackMs, terminationRetryForMs } from "../../../domain/limits.ts";
import type { TerminateWebhookData } from "../../../protocol/webhooks/webhook.ts";
import type { BackendRow } from "../sql/service.sql.ts";
import { type ServiceState, specOf } from "../state.ts";
import { deadlineOf } from "./deadline.ts";

/*
 * The steps of a backend's end as the Service object takes them. Each runs inside a transaction; the webhooks
 * and the notifications of shards that follow from it lie in the rows.
 */

/**
 * Begins to terminate a backend: records the step and the webhook that carries it.
 * @returns false where this, or more, was begun before
 */
export function beginTermination(
  state: ServiceState,
  row: BackendRow,
  termination: { hard: boolean; reason: TerminationReason },
  now: number,
): boolean {
  const status: BackendStatus = termination.hard ? "hard-terminating" : "terminating";
  if (statusRank(row.status) >= statusRank(status)) return false;
  const reason = row.reason ?? termination.reason;
  enter(state, row, status, reason, now, true);
  enqueueTermination(state, row, { backend_id: row.id, hard: termination.hard, reason }, now);
  // A hard end is waited for from when the cluster has acknowledged it.
  if (termination.hard) state.sql.setDeadline(row.id, null);
  return true;
}

/** Ends a backend by Slipway's own decision. Its row stays until its shard knows. */
export function endBackend(
  state: ServiceState,
  row: BackendRow,
  reason: TerminationReason,
  now: number,
): void {
  enter(state, row, "terminated", row.reason ?? reason, now, true);
}

/**
 * Ends a backend that has not been seen to end: given up. Where its cluster needs proof, its key is held instead, until its
 * agent shows what became of it or somebody releases it.
 * @param fence the cluster's
 */
export function giveUpBackend(
  state: ServiceState,
  row: BackendRow,
  reason: TerminationReason,
  fence: Fence,
  now: number,
): void {
  if (endsUnseen(row, fence)) endBackend(state, row, reason, now);
  else if (row.held_at === null) state.sql.setHeld(row.id, now, null);
}

/** What frees the keys of a cluster whose agents are silent, as far as this service knows. */
function fenceOf(state: ServiceState, { cluster }: Pick<BackendRow, "cluster">): Fence {
  return state.cluster(cluster)?.fence ?? "lease";
}

/** Records the webhook that terminates a backend. */
export function enqueueTermination(
  state: ServiceState,
  row: Pick<BackendRow, "id" | "cluster">,
  data: TerminateWebhookData,
  now: number,
): void {
  state.sql.insertDelivery({
    id: `${row.id}_terminate_${data.hard ? "hard" : "soft"}`,
    type: "backend.terminate",
    cluster: row.cluster,
    backend: row.id,
    data: JSON.stringify(data),
    next_attempt_at: now,
    expires_at: now + terminationRetryForMs,
  });
}

/**
 * Commits a status that the cluster has reported, received from the shard. Ignored under another fencing token.
 * @returns whether the backend ended with it, and else its deadline in milliseconds since the epoch
 */
export function applyReport(
  state: ServiceState,
  backendId: string,
  fencingToken: number,
  entry: StatusEntry,
  baseUrl: string | null,
): { hasEnded: boolean; deadlineAt: number | null } {
  if (!state.db.ready) return { hasEnded: false, deadlineAt: null };
  return state.db.transaction(() => {
    const row = state.sql.backend(backendId);
    const isMeant = row?.fencing_token === fencingToken;
    const hasEnded = isMeant && applyReportedStatus(state, row, entry, baseUrl);
    return { hasEnded, deadlineAt: state.sql.backend(backendId)?.deadline_at ?? null };
  });
}

/** @returns whether the backend ended with it */
function applyReportedStatus(
  state: ServiceState,
  row: BackendRow,
  entry: StatusEntry,
  baseUrl: string | null,
): boolean {
  if (entry.status === "terminated") {
    state.usage.countStep(row, entry);
    state.sql.deleteBackend(row);
    state.sql.deleteDeliveriesOf(row.id);
    state.spawns.forget(row.id);
    return true;
  }
  if (baseUrl !== null && baseUrl !== row.base_url) state.spawns.acknowledgeWithUrl(row.id, baseUrl);
  if (statusRank(entry.status) > statusRank(row.status)) {
    enter(state, row, entry.status, entry.termination_reason ?? row.reason, entry.time, false);
  }
  return false;
}

/**
 * A termination is delivered, or given up.
 * @param answer `unknown_there`: the cluster does not know the backend
 * @returns whether the backend has ended with it
 */
export function terminationDelivered(
  state: ServiceState,
  backendId: string,
  answer: "accepted" | "unknown_there" | "expired",
  now: number,
): boolean {
  const row = state.sql.backend(backendId);
  if (!row || row.status === "terminated") return false;
  if (answer === "accepted") {
    if (row.status === "hard-terminating" && row.held_at === null)
      state.sql.setDeadline(row.id, now + terminationReportSlackMs);
    return false;
  }
  const reason = row.reason ?? "external";
  if (answer === "unknown_there") endBackend(state, row, reason, now);
  else giveUpBackend(state, row, reason, fenceOf(state, row), now);
  return state.sql.backend(backendId)?.status === "terminated";
}

/**
 * Ends a spawn that its cluster has not taken, though an attempt whose answer was lost may have started it. Where the
 * cluster needs proof its key is held until the termination is answered.
 */
export function giveUpSpawn(
  state: ServiceState,
  row: BackendRow,
  reason: "internalerror" | "startuptimeout",
  now: number,
): void {
  if (endsUnseen(row, fenceOf(state, row))) {
    endBackend(state, row, reason, now);
    enqueueTermination(state, row, { backend_id: row.id, hard: true, reason }, now);
  } else beginTermination(state, row, { hard: true, reason }, now);
}

/** Acts on a deadline, if it has passed. */
export function applyDeadline(state: ServiceState, row: BackendRow, now: number): void {
  if (row.deadline_at === null || row.deadline_at > now) return;
  switch (deadlineOf(row, specOf(row))?.overdue) {
    case undefined:
      state.sql.setDeadline(row.id, null);
      return;
    case "startup":
      beginTermination(state, row, { hard: true, reason: "startuptimeout" }, now);
      return;
    case "lifetime":
      beginTermination(state, row, { hard: false, reason: "swept" }, now);
      return;
    case "soft_termination":
      beginTermination(state, row, { hard: true, reason: row.reason ?? "external" }, now);
      return;
    case "hard_termination":
      giveUpBackend(state, row, row.reason ?? "external", fenceOf(state, row), now);
      return;
  }
}

/** The history as the Service object knows it: enough for a shard that knows nothing yet. */
export function coarseHistory(row: BackendRow): StatusEntry[] {
  const scheduled: StatusEntry = { status: "scheduled", time: row.created_at };
  return row.status === "scheduled" ? [scheduled] : [scheduled, statusEntry(row)];
}

export function statusEntry(row: BackendRow): StatusEntry {
  return {
    status: row.status,
    time: row.status_at,
    ...(row.reason === null || isConnectable(row.status) ? {} : { termination_reason: row.reason }),
  };
}

function enter(
  state: ServiceState,
  row: BackendRow,
  status: BackendStatus,
  reason: TerminationReason | null,
  now: number,
  notifiesShard: boolean,
): void {
  const entered = { ...row, status, status_at: Math.max(now, row.status_at), reason };
  state.usage.countStep(row, { status, time: entered.status_at });
  state.spawns.acknowledgeWithStatus({
    ...entered,
    deadline_at: deadlineOf(entered, specOf(row))?.at ?? null,
    untold: notifiesShard,
  });
}
