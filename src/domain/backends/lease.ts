import {
  clusterLostAfterMs,
  heartbeatMissingAfterMs,
  leaseSeconds,
  unheededTerminationAfterMs,
} from "../limits.ts";
import type { BackendStatus } from "./status.ts";

/** What the control plane knows of one backend of the cluster that sent a heartbeat. Times in milliseconds since the epoch. */
export interface KnownBackend {
  id: string;
  status: BackendStatus;
  statusAt: number;
  fencingToken: number;
  /** From when on an agent has it, as far as it has one: its creation, or for a spawn that was repeated the acknowledgement. */
  expectedAt: number;
  /** Whether the cluster has acknowledged the spawn. */
  delivered: boolean;
}

/** One backend as an agent lists it. */
export interface ReportedBackend {
  id: string;
  status: BackendStatus;
  fencing_token: number;
}

/** What all agents of a cluster that are alive say together. */
export interface ClusterLists {
  /** What other agents than the one that is answered list. */
  elsewhere: readonly string[];
  /** The age of the oldest of the lists, in milliseconds; null while one of the agents has still to report. */
  oldestMs: number | null;
}

/** What follows from a heartbeat. */
export interface HeartbeatVerdict {
  /** What the agent runs and should not: unknown here, ended here, terminated in vain, or under another fencing token. */
  terminate: string[];
  /** Of those, the ones that nothing is known of. */
  unknown: string[];
  /** What the cluster should run and no agent of it does. */
  lost: string[];
}

/**
 * Compares what an agent says it runs, and what the others list, with what their cluster should run. A backend that the
 * agent lists and nobody knows is to be terminated; one that is acknowledged, and missing from every list that is young
 * enough, is lost.
 * @param now milliseconds since the epoch
 */
export function judgeHeartbeat(
  reported: readonly ReportedBackend[],
  known: readonly KnownBackend[],
  { elsewhere, oldestMs }: ClusterLists,
  now: number,
): HeartbeatVerdict {
  const byId = new Map(known.map((backend) => [backend.id, backend]));
  const live = reported.filter(({ status }) => status !== "terminated");
  const unknown = live.filter(({ id }) => !byId.has(id)).map(({ id }) => id);
  const unwanted = live.filter((each) => {
    const backend = byId.get(each.id);
    return backend !== undefined && !mayRun(backend, each, now);
  });
  const listed = new Set([...elsewhere, ...reported.map(({ id }) => id)]);
  const lost = known.filter(
    ({ id, status, delivered, expectedAt }) =>
      !listed.has(id) && delivered && status !== "terminated" && isMissing(now - expectedAt, oldestMs),
  );
  return {
    terminate: [...unknown, ...unwanted.map(({ id }) => id)],
    unknown,
    lost: lost.map(({ id }) => id),
  };
}

function mayRun(backend: KnownBackend, reported: ReportedBackend, now: number): boolean {
  if (backend.status === "terminated" || backend.fencingToken !== reported.fencing_token) return false;
  const isUnheeded =
    backend.status === "hard-terminating" &&
    reported.status !== "hard-terminating" &&
    now - backend.statusAt >= unheededTerminationAfterMs;
  return !isUnheeded;
}

/** Whether lists that lack a backend are young enough to say that it is gone. */
function isMissing(expectedForMs: number, oldestListMs: number | null): boolean {
  return oldestListMs !== null && expectedForMs - oldestListMs > heartbeatMissingAfterMs;
}

/** One agent of a cluster, as its last heartbeat left it. */
export interface AgentSnapshot {
  /** Milliseconds since the epoch. */
  lastHeartbeatAt: number;
  draining: boolean;
}

/** An agent with the backends that it lists; null where it has not reported since its list was forgotten. */
export interface ListingAgent extends AgentSnapshot {
  listed: ReadonlySet<string> | null;
}

/** Whether an agent may still be running what it listed. */
export function isAlive({ lastHeartbeatAt }: Pick<AgentSnapshot, "lastHeartbeatAt">, now: number): boolean {
  return now - lastHeartbeatAt < clusterLostAfterMs;
}

/** Whether an agent may still hold the lease that its last heartbeat gave it. */
function holdsLease({ lastHeartbeatAt }: AgentSnapshot, now: number): boolean {
  return now - lastHeartbeatAt < leaseSeconds * 1000;
}

/** How old the oldest list of these agents is, in milliseconds; null while one of them has still to report. */
export function oldestListMs(
  agents: readonly (Pick<AgentSnapshot, "lastHeartbeatAt"> & { listed: object | null })[],
  now: number,
): number | null {
  if (agents.some(({ listed }) => listed === null)) return null;
  return Math.max(0, ...agents.map(({ lastHeartbeatAt }) => now - lastHeartbeatAt));
}

/**
 * Which live backends no agent has listed for longer than the lease: those of agents that have fallen silent. They
 * are not given up before their agents are, but nobody can count on them.
 * @param expected backends that the cluster has acknowledged, with how long an agent has been expected to have each
 */
export function unlistedBackends(
  expected: readonly { id: string; expectedForMs: number }[],
  agents: readonly ListingAgent[],
  now: number,
): string[] {
  const holding = agents.filter((agent) => holdsLease(agent, now));
  const oldestMs = oldestListMs(holding, now);
  return expected
    .filter(
      ({ id, expectedForMs }) =>
        expectedForMs >= leaseSeconds * 1000 &&
        isMissing(expectedForMs, oldestMs) &&
        !holding.some(({ listed }) => listed?.has(id)),
    )
    .map(({ id }) => id);
}

/** Whether a cluster takes no new backends: every agent of it that is alive is on its way out. */
export function isDraining(agents: readonly AgentSnapshot[], now: number): boolean {
  const alive = agents.filter((agent) => isAlive(agent, now));
  return alive.length > 0 && alive.every(({ draining }) => draining);
}

/** How a cluster is, by its heartbeats. */
export const clusterHealths = [
  /** It never sent a heartbeat: a webhook of its owner's own making. Nothing is concluded from its silence. */
  "unknown",
  /** An agent of it holds its lease. */
  "healthy",
  /** Every agent of it that is alive is on its way out: it gets no new backends. */
  "draining",
  /** No agent holds a lease any more; its backends may still run, or be fenced. */
  "silent",
  /** Silent for so long that its backends were ended. */
  "lost",
] as const;
/** How a cluster is. */
export type ClusterHealth = (typeof clusterHealths)[number];

/**
 * How a cluster is, by its heartbeats. Times in milliseconds since the epoch.
 * @param lastHeartbeatAt the last one of any agent, those included that are forgotten; null where there was none
 */
export function clusterHealth(
  lastHeartbeatAt: number | null,
  agents: readonly AgentSnapshot[],
  now: number,
): ClusterHealth {
  if (lastHeartbeatAt === null) return "unknown";
  if (!isAlive({ lastHeartbeatAt }, now)) return "lost";
  if (!holdsLease({ lastHeartbeatAt, draining: false }, now)) return "silent";
  return isDraining(agents, now) ? "draining" : "healthy";
}
