import type { ClusterHealth } from "../../../../domain/backends/lease.ts";
import { Badge } from "./badge.tsx";

const kinds = {
  healthy: "good",
  draining: "busy",
  silent: "busy",
  lost: "bad",
  unknown: "off",
} as const satisfies Record<ClusterHealth, unknown>;

/** A cluster's health. Without an agent there are no heartbeats to judge it by. */
export function clusterBadge(health: ClusterHealth) {
  return <Badge kind={kinds[health]}>{health === "unknown" ? "no agent" : health}</Badge>;
}
