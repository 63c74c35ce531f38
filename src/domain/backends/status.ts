/** The life of a backend, in order. A status never goes backwards; steps may be left out. */
export const backendStatuses = [
  "scheduled",
  "loading",
  "starting",
  "waiting",
  "ready",
  "terminating",
  "hard-terminating",
  "terminated",
] as const;
export type BackendStatus = (typeof backendStatuses)[number];

export const terminationReasons = [
  "swept",
  "external",
  "keyexpired",
  "lost",
  "startuptimeout",
  "internalerror",
] as const;
export type TerminationReason = (typeof terminationReasons)[number];

export const terminationKinds = ["soft", "hard"] as const;
export type TerminationKind = (typeof terminationKinds)[number];

/** One entry of a backend's history, as it is stored. `time` in milliseconds since the epoch. */
export interface StatusEntry {
  status: BackendStatus;
  time: number;
  termination_reason?: TerminationReason;
  termination_kind?: TerminationKind;
  exit_code?: number;
  /** On `terminated` only: the last status before the end began. */
  last_status?: BackendStatus;
}

/** What somebody says about a backend; the history decides what it adds. */
export interface StatusReport {
  status: BackendStatus;
  termination_reason?: TerminationReason | undefined;
  termination_kind?: TerminationKind | undefined;
  exit_code?: number | undefined;
}

export function statusRank(status: BackendStatus): number {
  return backendStatuses.indexOf(status);
}

/** Whether a backend can still be handed to somebody who connects with its key. */
export function isConnectable(status: BackendStatus): boolean {
  return statusRank(status) < statusRank("terminating");
}

/**
 * The entry that a report adds to a history, or null where it would repeat the current status or go
 * backwards. A reason given once is carried to the later steps of the same end; the end remembers the last
 * status in which the backend lived, from which v1 clients derive what went wrong.
 */
export function nextEntry(
  history: readonly StatusEntry[],
  report: StatusReport,
  now: number,
): StatusEntry | null {
  const current = history.at(-1);
  if (current && statusRank(report.status) <= statusRank(current.status)) return null;
  // Strictly later than the last: clients put a history in order by its times.
  const entry: StatusEntry = { status: report.status, time: Math.max(now, (current?.time ?? 0) + 1) };
  if (isConnectable(report.status)) return entry;
  const reason = report.termination_reason ?? current?.termination_reason;
  if (reason !== undefined) entry.termination_reason = reason;
  if (report.status !== "terminated") return entry;
  const wasHard = history.some(({ status }) => status === "hard-terminating");
  const kind = report.termination_kind ?? (wasHard ? "hard" : undefined);
  if (kind !== undefined) entry.termination_kind = kind;
  if (report.exit_code !== undefined) entry.exit_code = report.exit_code;
  entry.last_status = history.findLast(({ status }) => isConnectable(status))?.status ?? "scheduled";
  return entry;
}
