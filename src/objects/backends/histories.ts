import {
  isStartingUp,
  nextEntry,
  reportedEntries,
  type StatusReport,
  statusRank,
} from "../../domain/backends/status.ts";
import { endedBackendsKeptMs } from "../../domain/limits.ts";
import { fail, ok, type Result } from "../../domain/result.ts";
import type { StatusReportAnswer, StatusReportBody } from "../../protocol/v3/agent.ts";
import type { Alarm } from "../alarm.ts";
import type { BackendRecord, ServiceRpc } from "../contract.ts";
import type { Followers } from "../followers.ts";
import { handedOn } from "../rpc.ts";
import { sendUnsent } from "./followers.ts";
import type { BackendsState } from "./state.ts";

/** What a shard's functions work on. */
export interface BackendsPorts {
  state: BackendsState;
  alarm: Pick<Alarm, "noLaterThan">;
  followers: Followers;
}

/** The object of the service that a shard belongs to. */
export type ShardService = Pick<ServiceRpc, "learn" | "statusReached">;

/** As `BackendsRpc.describe`: checked with the service once after each awakening, while the backend lives. */
export async function describeBackend(
  ports: BackendsPorts,
  service: ShardService,
  backendId: string,
): Promise<Result<BackendRecord>> {
  const { state } = ports;
  const certain = certainRecord(state, backendId);
  if (certain && (hasEnded(certain) || certain.baseUrl !== null)) return ok(certain);
  const learned = await learn(ports, service, backendId, false);
  if (learned.ok) return learned;
  const unknown = presentRecord(state, backendId);
  if (!unknown) return learned;
  if (hasEnded(unknown)) return ok(unknown);
  const end = { status: "terminated", termination_reason: "lost", time: Date.now() } as const;
  return ok(append(ports, unknown, [end], null, "here"));
}

/** As `BackendsRpc.report`. */
export async function reportStatus(
  ports: BackendsPorts,
  service: ShardService,
  cluster: string,
  backendId: string,
  body: StatusReportBody,
): Promise<Result<StatusReportAnswer>> {
  const { state } = ports;
  const reported = await reportedRecord(ports, service, backendId);
  if (!reported.ok) return reported;
  const record = reported.value;
  if (record.info.cluster !== cluster) return fail("backend_not_found", `backend \`${backendId}\` not found`);
  const entries = reportedEntries(record.history, body, Date.now());
  const entry = entries.at(-1);
  if (!entry || body.fencing_token !== record.info.fencingToken) return ok(refusal(record));

  const url = body.url?.replace(/\/+$/, "") ?? null;
  // The Service object forgets what has ended: should this object then die before it writes, all must be here.
  if (entry.status === "terminated") keep(state, record);
  let kept = false;
  if (!isStartingUp(entry.status) || (url !== null && url !== record.baseUrl)) {
    const reached = await service.statusReached(backendId, record.info.fencingToken, entries, url);
    // Not acknowledged: the agent reports it again.
    if (!reached.ok) return handedOn<StatusReportAnswer>(reached);
    kept = reached.value.kept;
  }
  const before = latestRecord(state, record);
  const after = append(ports, before, entries, url, kept ? "in the service" : "here");
  return ok({ ...refusal(after), accepted: after.history.length > before.history.length });
}

/** Takes over how far the service knows a backend to be. */
export function recordBackend(ports: BackendsPorts, backend: BackendRecord): void {
  takeOver(ports, backend);
}

/** What is known of a backend that is reported on, which acknowledges its spawn. Fails where nobody knows it. */
async function reportedRecord(
  ports: BackendsPorts,
  service: ShardService,
  backendId: string,
): Promise<Result<BackendRecord>> {
  const { state } = ports;
  const certain = certainRecord(state, backendId);
  if (certain && certain.history.length > 1) return ok(certain);
  const learned = await learn(ports, service, backendId, true);
  const present = presentRecord(state, backendId);
  return learned.ok || !present ? learned : ok(present);
}

/** Has the service say what it knows of a backend. @returns that with what is written here; its failure */
async function learn(
  ports: BackendsPorts,
  service: ShardService,
  backendId: string,
  reported: boolean,
): Promise<Result<BackendRecord>> {
  const learned = await service.learn(backendId, reported);
  return learned.ok ? ok(takeOver(ports, learned.value)) : handedOn(learned);
}

/** Takes over what the service knows of a backend, whether or not something of it is known here. */
function takeOver(ports: BackendsPorts, { info, history, baseUrl }: BackendRecord): BackendRecord {
  const { state } = ports;
  const before = presentRecord(state, info.id) ?? { info, history: history.slice(0, 1), baseUrl };
  if (!hasEnded(before)) state.known.put(before);
  return append(ports, before, history, baseUrl, "in the service");
}

/**
 * Adds to a history what of `reports` is ahead of it, and sends that to the followers.
 * @param kept where it will be found again: what the service has of a live backend need not be written
 */
function append(
  { state, alarm, followers }: BackendsPorts,
  record: BackendRecord,
  reports: readonly (StatusReport & { time: number })[],
  baseUrl: string | null,
  kept: "here" | "in the service",
): BackendRecord {
  if (hasEnded(record)) return record;
  const history = [...record.history];
  for (const report of reports) {
    const entry = nextEntry(history, report, report.time);
    if (entry) history.push(entry);
  }
  const isAhead = history.length > record.history.length;
  const reached: BackendRecord = { info: record.info, history, baseUrl: baseUrl ?? record.baseUrl };
  const last = history.at(-1);
  if (last?.status === "terminated") {
    state.put(reached, last.time);
    state.known.forget(record.info.id);
    alarm.noLaterThan(last.time + endedBackendsKeptMs);
  } else {
    // Of one that is not, this may not be all that the service knows.
    if (state.known.get(record.info.id)) state.known.put(reached);
    if (kept === "here" && isAhead) state.put(reached, null);
  }
  if (isAhead) sendUnsent(followers, record.info.id, history);
  return reached;
}

/** Writes all that is known of a backend, unless it is written. */
function keep(state: BackendsState, record: BackendRecord): void {
  const written = state.stored(record.info.id);
  if ((written?.history.length ?? 0) < record.history.length) state.put(record, null);
}

/** What there is here of a backend: of one that is not known since this object awoke, what is written. */
function presentRecord(state: BackendsState, backendId: string): BackendRecord | undefined {
  return state.known.get(backendId) ?? state.stored(backendId);
}

/** The same of a backend of which the service knows no more, or has nothing any more. */
function certainRecord(state: BackendsState, backendId: string): BackendRecord | undefined {
  const present = presentRecord(state, backendId);
  return present && (hasEnded(present) || state.known.get(backendId)) ? present : undefined;
}

/** What is known of a backend by now, of which this was known before. */
export function latestRecord(state: BackendsState, earlier: BackendRecord): BackendRecord {
  const present = presentRecord(state, earlier.info.id);
  return present && rankOf(present) >= rankOf(earlier) ? present : earlier;
}

function rankOf(record: BackendRecord): number {
  return statusRank(record.history.at(-1)?.status ?? "scheduled");
}

function hasEnded(record: BackendRecord): boolean {
  return record.history.at(-1)?.status === "terminated";
}

/** The answer to a report that adds nothing. */
function refusal(record: BackendRecord): StatusReportAnswer {
  return { accepted: false, current: record.history.at(-1)?.status ?? "scheduled" };
}
