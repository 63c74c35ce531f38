import type { BackendStatus } from "./backend-status.ts";
import { clusterLostAfterMs, heartbeatMissingAfterMs } from "./limits.ts";

/** What the control plane knows of one backend of the cluster that sent a heartbeat. */
export interface KnownBackend {
  id: string;
  status: BackendStatus;
  fencingToken: number;
  createdAt: number;
  /** Whether the cluster has acknowledged the spawn. */
  delivered: boolean;
}

export interface ReportedBackend {
  id: string;
  status: BackendStatus;
  fencing_token: number;
}

export interface HeartbeatVerdict {
  /** What the agent runs and should not: unknown here, ended here, or under another fencing token. */
  terminate: string[];
  /** Of those, the ones that nothing is known of. */
  unknown: string[];
  /** What the cluster should run and has lost: reported ready once, or long acknowledged, and not listed. */
  lost: string[];
}

/** Compares what an agent says it runs with what its cluster should run. */
export function judgeHeartbeat(
  reported: readonly ReportedBackend[],
  known: readonly KnownBackend[],
  now: number,
): HeartbeatVerdict {
  const byId = new Map(known.map((backend) => [backend.id, backend]));
  const listed = new Set(reported.map(({ id }) => id));
  const live = reported.filter(({ status }) => status !== "terminated");
  const unknown = live.filter(({ id }) => !byId.has(id)).map(({ id }) => id);
  const unwanted = live.filter(({ id, fencing_token }) => {
    const backend = byId.get(id);
    return backend && (backend.status === "terminated" || backend.fencingToken !== fencing_token);
  });
  const lost = known.filter(
    (backend) =>
      !listed.has(backend.id) &&
      backend.delivered &&
      backend.status !== "terminated" &&
      now - backend.createdAt > heartbeatMissingAfterMs,
  );
  return {
    terminate: [...unknown, ...unwanted.map(({ id }) => id)],
    unknown,
    lost: lost.map(({ id }) => id),
  };
}

/** Whether a cluster that has sent heartbeats is to be taken as lost. */
export function isClusterLost(lastHeartbeatAt: number | null, now: number): boolean {
  return lastHeartbeatAt !== null && now - lastHeartbeatAt >= clusterLostAfterMs;
}
