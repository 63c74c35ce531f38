import type { ClusterHealth } from "../../../../domain/backends/lease.ts";
import { Badge } from "./badge.tsx";

const kinds = {
  healthy: "good",
  draining: "busy",
  silent: "busy",
  lost: "bad",
  unknown: "off",
} as const satisfies Record<ClusterHealth, unknown>;

/** How a cluster is. One without an agent is not judged by heartbeats. */
export function clusterBadge(health: ClusterHealth) {
  return <Badge kind={kinds[health]}>{health === "unknown" ? "no agent" : health}</Badge>;
}
