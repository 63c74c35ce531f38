import { isStartingUp, nextEntry, reportedEntries, type StatusReport } from "../../domain/backends/status.ts";
import { endedBackendsKeptMs } from "../../domain/limits.ts";
import { fail, ok, type Result } from "../../domain/result.ts";
import type { StatusReportAnswer, StatusReportBody } from "../../protocol/v3/agent.ts";
import type { Alarm } from "../alarm.ts";
import type { BackendRecord, ServiceRpc } from "../contract.ts";
import type { Followers } from "../followers.ts";
import { handedOn } from "../rpc.ts";
import { sendEntries } from "./followers.ts";
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
  const stored = state.stored(backendId);
  const isComplete = stored?.baseUrl != null && state.checked.has(backendId);
  if (stored && (hasEnded(stored) || isComplete)) return ok(stored);
  const learned = await service.learn(backendId, false);
  if (learned.ok) state.checked.add(backendId);
  const present = state.stored(backendId);
  if (learned.ok) {
    const { history, baseUrl } = learned.value;
    const record = append(ports, present ?? begun(learned.value), history, baseUrl);
    // The cluster's answer, which carries the URL, can come after its first report.
    return ok({ ...record, baseUrl: record.baseUrl ?? baseUrl });
  }
  if (!present) return handedOn(learned);
  if (hasEnded(present)) return ok(present);
  const end = { status: "terminated", termination_reason: "lost", time: Date.now() } as const;
  return ok(append(ports, present, [end], null));
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
  let record = state.stored(backendId);
  if (!record) {
    const learned = await service.learn(backendId, true);
    if (!learned.ok) return handedOn<StatusReportAnswer>(learned);
    record = state.stored(backendId) ?? learned.value;
    state.checked.add(backendId);
  }
  if (record.info.cluster !== cluster) return fail("backend_not_found", `backend \`${backendId}\` not found`);
  const entries = reportedEntries(record.history, body, Date.now());
  const entry = entries.at(-1);
  if (!entry || body.fencing_token !== record.info.fencingToken) return ok(refusal(record));

  const url = body.url?.replace(/\/+$/, "") ?? null;
  // The Service object forgets what has ended: should this object then die before it writes, something must be left here.
  if (entry.status === "terminated" && !state.stored(backendId)) keep(ports, record);
  if (!isStartingUp(entry.status) || (url !== null && url !== record.baseUrl)) {
    const reached = await service.statusReached(backendId, record.info.fencingToken, entries, url);
    // Not acknowledged: the agent reports it again.
    if (!reached.ok) return handedOn<StatusReportAnswer>(reached);
  }
  const before = state.stored(backendId) ?? record;
  const after = append(ports, before, entries, url);
  return ok({ ...refusal(after), accepted: after.history.length > before.history.length });
}

/** Takes over how far the service knows a backend to be. */
export function recordBackend(ports: BackendsPorts, backend: BackendRecord): void {
  append(ports, ports.state.stored(backend.info.id) ?? begun(backend), backend.history, backend.baseUrl);
}

/** Writes a backend of which nothing is written here yet. */
function keep(ports: BackendsPorts, record: BackendRecord): void {
  ports.state.put(begun(record), null);
  append(ports, begun(record), record.history, record.baseUrl);
}

/** Writes what `reports` add to a history, if they add anything, and sends it to the followers. */
function append(
  { state, alarm, followers }: BackendsPorts,
  record: BackendRecord,
  reports: readonly (StatusReport & { time: number })[],
  baseUrl: string | null,
): BackendRecord {
  const history = [...record.history];
  for (const report of reports) {
    const entry = nextEntry(history, report, report.time);
    if (entry) history.push(entry);
  }
  const last = history.at(-1);
  if (!last || history.length === record.history.length) return record;
  const written: BackendRecord = { info: record.info, history, baseUrl: baseUrl ?? record.baseUrl };
  state.put(written, last.status === "terminated" ? last.time : null);
  sendEntries(followers, record.info.id, history.slice(record.history.length));
  if (last.status === "terminated") {
    state.checked.delete(record.info.id);
    alarm.noLaterThan(last.time + endedBackendsKeptMs);
  }
  return written;
}

/** What every follower of a backend has been sent, also while nothing of it is written here. */
function begun(record: BackendRecord): BackendRecord {
  return { ...record, history: record.history.slice(0, 1) };
}

function hasEnded(record: BackendRecord): boolean {
  return record.history.at(-1)?.status === "terminated";
}

/** The answer to a report that adds nothing. */
function refusal(record: BackendRecord): StatusReportAnswer {
  return { accepted: false, current: record.history.at(-1)?.status ?? "scheduled" };
}
