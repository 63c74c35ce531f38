import { leaseSeconds } from "../../../domain/limits.ts";
import type { ObservedCluster } from "../../../protocol/v3/clusters.ts";
import { clusterBadge } from "../elements/badges/cluster-badge.tsx";
import { Time } from "../elements/time.tsx";

/** The number of backends that its agents report. */
export function liveBackendsText({ agents }: Pick<ObservedCluster, "agents">): string {
  if (agents.length === 0) return "not known";
  return String(agents.reduce((sum, { backends }) => sum + backends, 0));
}

/** A cluster's properties and its health. */
export function Facts({ cluster }: { cluster: ObservedCluster }) {
  const template = cluster.backend_url_template;
  return (
    <dl class="facts card">
      <dt>Health</dt>
      <dd>
        {clusterBadge(cluster.health)} {healthTexts[cluster.health]}
      </dd>
      <dt>Last heartbeat</dt>
      <dd>{cluster.last_heartbeat_at === undefined ? "never" : <Time at={cluster.last_heartbeat_at} />}</dd>
      <dt>Live backends</dt>
      <dd>{liveBackendsText(cluster)}</dd>
      <dt>Default</dt>
      <dd>{cluster.default ? "yes: environments made without a cluster spawn here" : "no"}</dd>
      <dt>Webhook URL</dt>
      <dd>
        <code>{cluster.webhook_url}</code>
      </dd>
      <dt>Backend URLs</dt>
      <dd>{template === null ? "the cluster says each one's" : <code>{template}</code>}</dd>
      <dt>Spawns are answered</dt>
      <dd>
        {cluster.ack === "sync"
          ? "after the cluster has answered (sync)"
          : "right after the decision (async)"}
      </dd>
      <dt>Registered</dt>
      <dd>
        <Time at={cluster.created_at} />
      </dd>
    </dl>
  );
}

const healthTexts: Record<ObservedCluster["health"], string> = {
  healthy: "",
  draining: "none of its agents takes new backends",
  silent: `none of its agents was heard for ${leaseSeconds} s`,
  lost: "none of its agents is heard any more, and what ran there was given up",
  unknown: "it is not judged by heartbeats, since none ever came",
};
