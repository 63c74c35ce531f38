/** The life of a backend, in order. A status never goes backwards; steps may be left out. */
export const backendStatuses = [
  /** Decided and recorded; its cluster is being sent the spawn. */
  "scheduled",
  /** Its cluster is getting the image. */
  "loading",
  /** Its cluster is starting the container or process. */
  "starting",
  /** It runs and does not answer HTTP yet. */
  "waiting",
  /** It answers: connections reach it. */
  "ready",
  /** It is to end and has its grace to do so. Nobody who connects gets it any more. */
  "terminating",
  /** It is to be killed. */
  "hard-terminating",
  /** It has ended; its key is free. */
  "terminated",
] as const;
/** Where a backend is in its life. */
export type BackendStatus = (typeof backendStatuses)[number];

/** Why a backend ends. One that ends by itself has no reason, and an exit code. */
export const terminationReasons = [
  /** Nobody was connected for its idle time, or it outlived its lifetime limit. */
  "swept",
  /** It was terminated on request, or unwanted where it ran. */
  "external",
  /** Its hold on its key has run out, by its cluster's own rules. Slipway's agent does not give this reason. */
  "keyexpired",
  /** Its agent does not list it or has fenced it, or its cluster is silent for too long. */
  "lost",
  /** It was not ready in time, or its spawn could not be delivered in time. */
  "startuptimeout",
  /** Its cluster refused it, gave no URL for it, or could not start it. */
  "internalerror",
] as const;
/** One of these reasons. */
export type TerminationReason = (typeof terminationReasons)[number];

/** How a backend ended: with a grace to do so by itself, or killed. */
export const terminationKinds = ["soft", "hard"] as const;
/** One of these kinds. */
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

/** A status as it is reported of a backend; its history decides what that adds. */
export interface StatusReport {
  status: BackendStatus;
  termination_reason?: TerminationReason | undefined;
  termination_kind?: TerminationKind | undefined;
  exit_code?: number | undefined;
}

/** A status that was entered before the one that a report is about. */
export interface EarlierStatus {
  status: BackendStatus;
  termination_reason?: TerminationReason | undefined;
  /** How long before the report was sent, in milliseconds. */
  ms_ago: number;
}

/** A status's place in the life of a backend: 0 for `scheduled`. A later one has a higher rank. */
export function statusRank(status: BackendStatus): number {
  return backendStatuses.indexOf(status);
}

/** Whether a backend can still be handed to somebody who connects with its key. */
export function isConnectable(status: BackendStatus): boolean {
  return statusRank(status) < statusRank("terminating");
}

/** Whether a backend is on its way to `ready`: steps that matter to nobody but those who watch. */
export function isStartingUp(status: BackendStatus): boolean {
  return statusRank(status) < statusRank("ready");
}

/**
 * The entry that a report adds to a history, or null where it would repeat the current status or go
 * backwards. A reason given once is carried to the later steps of the same end; the end remembers the last
 * status in which the backend lived, from which v1 clients derive what went wrong.
 * @param history oldest first
 * @param now milliseconds since the epoch
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

/**
 * The entries that a report adds to a history, oldest first; none where its own status would repeat the current one or go
 * backwards. What it says to have come before is entered at its time, as far as the history leaves room for that: after its
 * last entry. What is there already, or could not have come before, is passed over.
 * @param history oldest first
 * @param report `earlier`: oldest first
 * @param now milliseconds since the epoch
 */
export function reportedEntries(
  history: readonly StatusEntry[],
  { earlier = [], ...report }: StatusReport & { earlier?: readonly EarlierStatus[] | undefined },
  now: number,
): StatusEntry[] {
  if (nextEntry(history, report, now) === null) return [];
  const before = earlier.filter(({ status }) => statusRank(status) < statusRank(report.status));
  const entries: StatusEntry[] = [];
  for (const { ms_ago: ago, ...step } of [...before, { ...report, ms_ago: 0 }]) {
    const entry = nextEntry([...history, ...entries], step, now - Math.round(ago));
    if (entry) entries.push(entry);
  }
  return entries;
}
