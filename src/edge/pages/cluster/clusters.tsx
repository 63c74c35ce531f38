import { permits } from "../../../domain/credentials/access.ts";
import { ok } from "../../../domain/result.ts";
import { accountStub } from "../../../objects/stubs.ts";
import type { ObservedCluster } from "../../../protocol/v3/clusters.ts";
import { listQuery } from "../../../protocol/v3/list.ts";
import { parseInput } from "../../input.ts";
import { originOf } from "../../origin.ts";
import { Badge } from "../elements/badges/badge.tsx";
import { clusterBadge } from "../elements/badges/cluster-badge.tsx";
import { Command } from "../elements/command.tsx";
import { Empty } from "../elements/empty.tsx";
import { Paging } from "../elements/paging.tsx";
import { pathOf } from "../elements/paths.ts";
import { Table } from "../elements/table.tsx";
import { Time } from "../elements/time.tsx";
import { definePage } from "../frame/page.ts";
import { queryFields } from "../frame/query-fields.ts";
import { agentCommand } from "./agent-command.ts";
import { clusterChanges } from "./cluster-changes.ts";
import { Disk, fullestDisk } from "./disk.tsx";
import { liveBackendsText } from "./facts.tsx";
import { RegisterCluster, registerForm } from "./registration.tsx";

/** The account's clusters with their health, and the form that registers another one. */
export const clustersPage = definePage({
  path: "/clusters",
  action: "read",
  async show({ env, request, query, visitor }) {
    const parsed = parseInput(listQuery, queryFields(query, ["cursor"]), "bad query");
    if (!parsed.ok) return parsed;
    const listed = await accountStub(env, visitor.identity.account).listClusters(parsed.value);
    if (!listed.ok) return listed;
    const { items } = listed.value;
    const may = permits(visitor.identity, "admin", {});
    return ok({
      title: "Clusters",
      body: (
        <>
          {items.length === 0 ? <NoClusters api={originOf(env, request)} /> : <Clusters items={items} />}
          <Paging what="clusters" list={listed.value} query={query} path={pathOf.clusters()} />
        </>
      ),
      below: (
        <section aria-labelledby="register">
          <h2 id="register">Register a cluster</h2>
          {may.ok ? <RegisterCluster visitor={visitor} /> : <p>You may not do this: {may.error.message}.</p>}
        </section>
      ),
    });
  },
  changes: ({ env, visitor }) => clusterChanges(env, visitor.identity.account),
  forms: { register: registerForm },
});

function Clusters({ items }: { items: readonly ObservedCluster[] }) {
  return (
    <Table
      caption="Clusters, newest first"
      head={["Cluster", "Health", "Agents", "Last heartbeat", "Live backends", "Fullest disk"]}
    >
      {items.map((cluster) => (
        <tr id={`cluster-${cluster.name}`}>
          <th scope="row">
            <a href={pathOf.cluster(cluster.name)}>{cluster.name}</a>{" "}
            {cluster.default ? <Badge kind="off">default</Badge> : null}
          </th>
          <td>{clusterBadge(cluster.health)}</td>
          <td>{cluster.agents.length}</td>
          <td>
            {cluster.last_heartbeat_at === undefined ? "never" : <Time at={cluster.last_heartbeat_at} />}
          </td>
          <td>{liveBackendsText(cluster)}</td>
          <td>
            <FullestDisk cluster={cluster} />
          </td>
        </tr>
      ))}
    </Table>
  );
}

function FullestDisk({ cluster }: { cluster: ObservedCluster }) {
  const disk = fullestDisk(cluster);
  return disk === null ? "not known" : <Disk disk={disk} />;
}

function NoClusters({ api }: { api: string }) {
  return (
    <Empty what="No cluster yet: backends have nowhere to run. Register one, with the form below or so:">
      <Command>
        {
          "npx slipway clusters create eu-prod --webhook-url https://eu.example.com/webhook --backend-url-template 'https://{backend_id}.eu.example.com'"
        }
      </Command>
      <p>
        It tells two secrets. Put them into files where the backends are to run, and start an agent there:
      </p>
      <Command>{agentCommand("eu-prod", api)}</Command>
    </Empty>
  );
}
