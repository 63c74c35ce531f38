import {
  clusterLostAfterMs,
  heartbeatMissingAfterMs,
  leaseSeconds,
  startupTimeoutSeconds,
  unheededTerminationAfterMs,
} from "../limits.ts";
import type { Fence } from "./fence.ts";
import { type BackendStatus, statusRank } from "./status.ts";

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
  /** The agent that has listed it; null while none has. */
  agent: string | null;
}

/** One backend as an agent lists it. */
export interface ReportedBackend {
  id: string;
  status: BackendStatus;
  fencing_token: number;
  /** For how long it has had no connection, 0 while it has one; left out where that is not known. */
  idle_seconds?: number | undefined;
}

/** What a cluster's object knows of its agents when one of them has sent its list. Times in milliseconds since the epoch. */
export interface ClusterLists {
  /** The agent that sent the list; null where there is none: another agent is gone. */
  from: string | null;
  /** What other agents that are alive list, as far as their lists are known. */
  elsewhere: readonly string[];
  /** The agents that are alive. */
  alive: readonly string[];
  /** From when on the agents' silence counts. */
  watchedFrom: number;
  /** From when on the agents are the same and watched: what runs and is on no list by then is on none. */
  unchangedSince: number;
  /** What frees the key of a backend that none of them lists. */
  fence: Fence;
}

/** What follows from a heartbeat. */
export interface HeartbeatVerdict {
  /** What the agent runs and should not: unknown here, ended here, terminated in vain, or under another fencing token. */
  terminate: string[];
  /** Of those, the ones that nothing is known of. */
  unknown: string[];
  /** What the cluster should run and no agent of it does. */
  lost: string[];
  /** Of those, the ones that certainly do not run: their own agent lists them no more. */
  proven: string[];
}

/**
 * Compares what an agent says it runs with what its cluster should run. A backend that the agent lists and nobody knows
 * is to be terminated. What it does not list is lost only if it was this agent's: of another agent's, and of what no
 * agent has listed yet, its list says nothing.
 * @param now milliseconds since the epoch
 */
export function judgeHeartbeat(
  reported: readonly ReportedBackend[],
  known: readonly KnownBackend[],
  lists: ClusterLists,
  now: number,
): HeartbeatVerdict {
  const byId = new Map(known.map((backend) => [backend.id, backend]));
  const live = reported.filter(({ status }) => status !== "terminated");
  const unknown = live.filter(({ id }) => !byId.has(id)).map(({ id }) => id);
  const unwanted = live.filter((each) => {
    const backend = byId.get(each.id);
    return backend !== undefined && !mayRun(backend, each, now);
  });
  const listed = new Set([...lists.elsewhere, ...reported.map(({ id }) => id)]);
  const lost = known.filter(
    (backend) =>
      !listed.has(backend.id) &&
      backend.delivered &&
      backend.status !== "terminated" &&
      isGone(backend, lists, now),
  );
  return {
    terminate: [...unknown, ...unwanted.map(({ id }) => id)],
    unknown,
    lost: lost.map(({ id }) => id),
    proven: lost.filter(({ agent }) => agent !== null && agent === lists.from).map(({ id }) => id),
  };
}

/**
 * The backends whose agent becomes known by a list, or is another than before: one that two agents list stays with
 * the first.
 */
export function newlyListed(
  reported: readonly ReportedBackend[],
  known: readonly KnownBackend[],
  { from, elsewhere }: Pick<ClusterLists, "from" | "elsewhere">,
): string[] {
  if (from === null) return [];
  const tokens = new Map(reported.map(({ id, fencing_token: token }) => [id, token]));
  const others = new Set(elsewhere);
  return known
    .filter(
      ({ id, agent, fencingToken }) =>
        tokens.get(id) === fencingToken && agent !== from && (agent === null || !others.has(id)),
    )
    .map(({ id }) => id);
}

/**
 * Whether nothing follows from a backend's being listed until a list that has it or what is known of it changes, however much time
 * passes: it need not be judged again before.
 * @param known undefined where its service knows nothing of it
 * @param list the agent that lists it, and whether another one does too, with whom it stays then
 */
export function isSettled(
  reported: ReportedBackend,
  known: Pick<KnownBackend, "status" | "fencingToken" | "delivered" | "agent"> | undefined,
  { from, isElsewhere }: { from: string; isElsewhere: boolean },
): boolean {
  if (known === undefined) return reported.status === "terminated";
  const mayBeUnheeded = known.status === "hard-terminating" && reported.status !== "hard-terminating";
  return (
    known.delivered &&
    (known.agent === from || (known.agent !== null && isElsewhere)) &&
    known.fencingToken === reported.fencing_token &&
    known.status !== "terminated" &&
    !mayBeUnheeded
  );
}

/** Whether a backend that is on no list is gone. */
function isGone(
  { agent, status, expectedAt }: Pick<KnownBackend, "agent" | "status" | "expectedAt">,
  { from, alive, watchedFrom, unchangedSince }: ClusterLists,
  now: number,
): boolean {
  if (agent === null) return isNobodys(status, Math.max(expectedAt, unchangedSince), now);
  if (agent === from) return isMissing(now - expectedAt, 0);
  return !alive.includes(agent) && now - watchedFrom >= clusterLostAfterMs;
}

/**
 * Whether a backend that no agent has ever listed is given up: once it would have been on a list for the whole of a
 * start-up. One that is still starting has its own deadline for that.
 */
function isNobodys(status: BackendStatus, since: number, now: number): boolean {
  return statusRank(status) >= statusRank("ready") && now - since > startupTimeoutSeconds * 1000;
}

function mayRun(backend: KnownBackend, reported: ReportedBackend, now: number): boolean {
  if (backend.status === "terminated" || backend.fencingToken !== reported.fencing_token) return false;
  const isUnheeded =
    backend.status === "hard-terminating" &&
    reported.status !== "hard-terminating" &&
    now - backend.statusAt >= unheededTerminationAfterMs;
  return !isUnheeded;
}

/** Whether a list that lacks a backend is young enough to say that it is gone. */
function isMissing(expectedForMs: number, listMs: number): boolean {
  return expectedForMs - listMs > heartbeatMissingAfterMs;
}

/** One agent of a cluster, as its last heartbeat left it. */
export interface AgentSnapshot {
  /** When its silence began, as far as it counts: its last heartbeat, or the end of an absence of the control plane. */
  silentSince: number;
  draining: boolean;
}

/** An agent with the backends that it lists; null where it has not reported since its list was forgotten. */
export interface ListingAgent extends AgentSnapshot {
  id: string;
  /** Milliseconds since the epoch. */
  lastHeartbeatAt: number;
  listed: Pick<ReadonlySet<string>, "has"> | null;
}

/** Whether an agent may still be running what it listed. */
export function isAlive({ silentSince }: Pick<AgentSnapshot, "silentSince">, now: number): boolean {
  return now - silentSince < clusterLostAfterMs;
}

/** Whether an agent may still hold the lease that its last heartbeat gave it. */
function holdsLease({ silentSince }: Pick<AgentSnapshot, "silentSince">, now: number): boolean {
  return now - silentSince < leaseSeconds * 1000;
}

/** A backend that its cluster has acknowledged, and for how long an agent has been expected to have it. */
export interface ExpectedBackend {
  id: string;
  status: BackendStatus;
  expectedForMs: number;
  /** The agent that has listed it; null while none has. */
  agent: string | null;
}

/**
 * Which live backends nobody has listed for longer than the lease: those of agents that have fallen silent. They
 * are not given up before their agents are, but nobody can count on them.
 */
export function unlistedBackends(
  expected: readonly ExpectedBackend[],
  agents: readonly ListingAgent[],
  { watchedFrom, unchangedSince }: Pick<ClusterLists, "watchedFrom" | "unchangedSince">,
  now: number,
): string[] {
  const holding = agents.filter((agent) => holdsLease(agent, now));
  const isListed = (id: string) => holding.some(({ listed }) => listed?.has(id));
  const isWatchYoung = holdsLease({ silentSince: watchedFrom }, now);

  function isUnlisted({ id, status, agent, expectedForMs }: ExpectedBackend): boolean {
    if (expectedForMs < leaseSeconds * 1000 || isListed(id)) return false;
    if (agent === null) {
      if (holding.some(({ listed }) => listed === null)) return false;
      if (holding.length === 0) return !isWatchYoung;
      return isNobodys(status, Math.max(now - expectedForMs, unchangedSince), now);
    }
    const owner = holding.find((each) => each.id === agent);
    if (owner === undefined) return !isWatchYoung;
    return owner.listed !== null && isMissing(expectedForMs, now - owner.lastHeartbeatAt);
  }
  return expected.filter(isUnlisted).map(({ id }) => id);
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
  const isOneAlive = agents.some((agent) => isAlive(agent, now));
  if (!isOneAlive && !isAlive({ silentSince: lastHeartbeatAt }, now)) return "lost";
  if (!holdsLease({ silentSince: lastHeartbeatAt }, now)) return "silent";
  return isDraining(agents, now) ? "draining" : "healthy";
}
