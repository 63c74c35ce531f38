import { leaseSeconds } from "../../../domain/limits.ts";
import type { ObservedCluster } from "../../../protocol/v3/clusters.ts";
import { clusterBadge } from "../elements/cluster-badge.tsx";
import { Command } from "../elements/command.tsx";
import { Empty } from "../elements/empty.tsx";
import { Table } from "../elements/table.tsx";
import { Time } from "../elements/time.tsx";
import { agentCommand } from "./agent-command.ts";

/** Heartbeats are no events: a page that shows them looks again as often as agents send them. */
export const heartbeatsShownEveryMs = 10_000;

/** How many backends its agents say that they have. */
export function liveBackendsText({ agents }: Pick<ObservedCluster, "agents">): string {
  if (agents.length === 0) return "not known";
  return String(agents.reduce((sum, { backends }) => sum + backends, 0));
}

/** What a cluster is, and how it is. */
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

/** The agents that were heard lately. @param api where Slipway is */
export function Agents({ cluster, api }: { cluster: ObservedCluster; api: string }) {
  return (
    <section aria-labelledby="agents">
      <h2 id="agents">Agents</h2>
      {cluster.agents.length === 0 ? (
        <Empty
          what={
            cluster.health === "unknown"
              ? "No agent of this cluster was ever heard. Unless you answer its webhooks yourself, start one:"
              : "No agent was heard lately. Look after it, or start one:"
          }
        >
          <Command>{agentCommand(cluster.name, api)}</Command>
        </Empty>
      ) : (
        <Table
          caption="Agents that are heard, the latest first"
          head={["Agent", "Version", "Last heartbeat", "New backends", "Backends", "Capacity"]}
        >
          {cluster.agents.map((agent) => (
            <tr id={`agent-${agent.id}`}>
              <th scope="row">
                <code>{agent.id}</code>
              </th>
              <td>{agent.version}</td>
              <td>
                <Time at={agent.last_heartbeat_at} />
              </td>
              <td>{agent.draining ? "none: it drains" : "taken"}</td>
              <td>{agent.backends}</td>
              <td>{agent.capacity ?? "no limit told"}</td>
            </tr>
          ))}
        </Table>
      )}
    </section>
  );
}
