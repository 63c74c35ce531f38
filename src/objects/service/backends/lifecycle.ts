import { endsUnseen, type Fence } from "../../../domain/backends/fence.ts";
import {
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
  const status = termination.hard ? "hard-terminating" : "terminating";
  if (statusRank(row.status) >= statusRank(status)) return false;
  const reason = row.reason ?? termination.reason;
  const at = Math.max(now, row.status_at);
  enter(state, row, [{ status, time: at, termination_reason: reason }], true);
  enqueueTermination(state, row, { backend_id: row.id, hard: termination.hard, reason }, now);
  // A hard end is waited for from when the cluster has acknowledged it.
  if (termination.hard) state.sql.setDeadline(row.id, null);
  return true;
}

/** What ends a backend: its cluster's report, or a decision of Slipway's own. `at` in milliseconds since the epoch. */
export type BackendEnd = { reported: StatusEntry } | { reason: TerminationReason; at: number };

/**
 * Ends a backend, whatever the cause: here alone its key becomes free, its end is counted, and those who wait for it, its
 * shard and its followers come to know of it. After a report its row goes, since the shard that passed the report on keeps
 * the end; after a decision it stays until the shard has received that.
 */
export function endBackend(state: ServiceState, row: BackendRow, end: BackendEnd): void {
  if ("reported" in end) {
    state.countStep(row, end.reported);
    state.sql.deleteBackend(row);
    state.sql.deleteDeliveries([terminationId(row.id, false), terminationId(row.id, true)]);
  } else {
    const ended = { ...row, status_at: Math.max(end.at, row.status_at), reason: row.reason ?? end.reason };
    const { status_at: time, reason: termination_reason } = ended;
    state.countStep(row, { status: "terminated", time, termination_reason });
    state.sql.endBackend(ended);
  }
  state.spawns.forget(row.id);
  state.activity.forget(row.id);
  state.drains.ended(row, "reported" in end ? end.reported.time : end.at);
  state.backendEnded(row.id);
}

function terminationId(backendId: string, hard: boolean): string {
  return `${backendId}_terminate_${hard ? "hard" : "soft"}`;
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
  if (endsUnseen(row, fence)) endBackend(state, row, { reason, at: now });
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
    id: terminationId(row.id, data.hard),
    type: "backend.terminate",
    cluster: row.cluster,
    backend: row.id,
    data: JSON.stringify(data),
    next_attempt_at: now,
    expires_at: now + terminationRetryForMs,
  });
}

/** What became of a report in the Service object. */
export interface AppliedReport {
  /** Whether all that it adds is in the backend's row now. */
  kept: boolean;
  /** The backend's deadline in milliseconds since the epoch, null where it has none. */
  deadlineAt: number | null;
}

/** Commits what a report of the cluster adds, received from the shard, oldest first. Ignored under another fencing token. */
export function applyReport(
  state: ServiceState,
  backendId: string,
  fencingToken: number,
  entries: readonly StatusEntry[],
  baseUrl: string | null,
): AppliedReport {
  if (!state.db.ready) return { kept: false, deadlineAt: null };
  return state.db.transaction(() => {
    const row = state.backend(backendId);
    const kept = row?.fencing_token === fencingToken && applyReported(state, row, entries, baseUrl);
    return { kept, deadlineAt: state.backend(backendId)?.deadline_at ?? null };
  });
}

/** @returns whether all entries are in the row now: not those that end it, nor what comes before a step that was taken here */
function applyReported(
  state: ServiceState,
  row: BackendRow,
  entries: readonly StatusEntry[],
  baseUrl: string | null,
): boolean {
  const ahead = entries.filter(({ status }) => statusRank(status) > statusRank(row.status));
  const last = entries.at(-1);
  if (last?.status === "terminated") {
    endBackend(state, countSteps(state, row, ahead.slice(0, -1)), { reported: last });
    return false;
  }
  if (ahead.length > 0) enter(state, { ...row, base_url: baseUrl ?? row.base_url }, ahead, false);
  else if (baseUrl !== null && baseUrl !== row.base_url) state.spawns.acknowledgeWithUrl(row.id, baseUrl);
  return ahead.length === entries.length;
}

/** Counts steps of a backend's life, each ahead of the one before. @returns its row as it is in the last of them */
function countSteps(state: ServiceState, row: BackendRow, steps: readonly StatusEntry[]): BackendRow {
  let reached = row;
  for (const { status, time, termination_reason: reason = reached.reason } of steps) {
    state.countStep(reached, { status, time, termination_reason: reason ?? undefined });
    reached = { ...reached, status, status_at: Math.max(time, reached.status_at), reason };
  }
  return reached;
}

/**
 * A termination is delivered, or given up.
 * @param deliveryId says which one it was: the answer to a soft one can come after a hard one has begun
 * @param answer `unknown_there`: the cluster does not know the backend
 */
export function terminationDelivered(
  state: ServiceState,
  backendId: string,
  deliveryId: string,
  answer: "accepted" | "unknown_there" | "expired",
  now: number,
): void {
  const row = state.backend(backendId);
  if (!row || row.status === "terminated") return;
  if (answer === "unknown_there") endBackend(state, row, { reason: "external", at: now });
  else if (answer === "expired") giveUpBackend(state, row, "external", fenceOf(state, row), now);
  else if (
    row.status === "hard-terminating" &&
    row.held_at === null &&
    deliveryId === terminationId(backendId, true)
  ) {
    state.sql.setDeadline(row.id, now + terminationReportSlackMs);
  }
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
      giveUpBackend(state, row, "external", fenceOf(state, row), now);
      return;
  }
}

/** The history as the Service object knows it: with all that the backend's shard has not written itself. */
export function knownHistory(state: ServiceState, row: BackendRow): StatusEntry[] {
  const scheduled: StatusEntry = { status: "scheduled", time: row.created_at };
  const history = [scheduled, ...state.sql.enteredStatuses(row.id)];
  const last = history.at(-1) ?? scheduled;
  // An end that was decided here; and what an earlier version has entered.
  return statusRank(row.status) > statusRank(last.status) ? [...history, statusEntry(row)] : history;
}

export function statusEntry(row: BackendRow): StatusEntry {
  return {
    status: row.status,
    time: row.status_at,
    ...(row.reason === null || isConnectable(row.status) ? {} : { termination_reason: row.reason }),
  };
}

/** @param entries ahead of the row's status, each of the one before; none of them the end */
function enter(
  state: ServiceState,
  row: BackendRow,
  entries: readonly StatusEntry[],
  notifiesShard: boolean,
): void {
  const { status, ...entered } = countSteps(state, row, entries);
  if (status === "terminated") throw new Error("an end is not entered");
  state.spawns.acknowledgeWithStatus({
    ...entered,
    status,
    deadline_at: deadlineOf({ ...entered, status }, specOf(row))?.at ?? null,
    untold: notifiesShard,
    entered: entries,
  });
}
