import { rowsShownMax } from "../../../domain/limits.ts";
import type { ObservedCluster } from "../../../protocol/v3/clusters.ts";
import { Command } from "../elements/command.tsx";
import { Empty } from "../elements/empty.tsx";
import { Table } from "../elements/table.tsx";
import { Time } from "../elements/time.tsx";
import { agentCommand } from "./agent-command.ts";
import { Disk } from "./disk.tsx";

/** The agents with a recent heartbeat. @param api the URL of the API */
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
          head={["Agent", "Version", "Last heartbeat", "New backends", "Backends", "Capacity", "Disk"]}
        >
          {cluster.agents.slice(0, rowsShownMax).map((agent) => (
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
              <td>{agent.disk ? <Disk disk={agent.disk} /> : "not told"}</td>
            </tr>
          ))}
        </Table>
      )}
      {cluster.agents.length > rowsShownMax ? (
        <p>{cluster.agents.length - rowsShownMax} more agents are not shown.</p>
      ) : null}
    </section>
  );
}
