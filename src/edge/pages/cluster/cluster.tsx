import { permits } from "../../../domain/credentials/access.ts";
import { ok } from "../../../domain/result.ts";
import { accountStub, clusterStub } from "../../../objects/stubs.ts";
import { deliveryQuery } from "../../../protocol/v3/deliveries.ts";
import { parseInput } from "../../input.ts";
import { originOf } from "../../origin.ts";
import { pathOf } from "../elements/paths.ts";
import { definePage } from "../frame/page.ts";
import { queryFields } from "../frame/query-fields.ts";
import { Actions, Changes } from "./actions.tsx";
import { Agents } from "./agents.tsx";
import { clusterChanges } from "./cluster-changes.ts";
import { Deliveries } from "./deliveries.tsx";
import { Facts } from "./facts.tsx";
import { clusterForms } from "./forms.tsx";

const deliveriesShown = 20;

/** One cluster: its properties and health, its agents, its deliveries, and its actions. */
export const clusterPage = definePage({
  path: "/clusters/:cluster",
  action: "read",
  async show({ env, request, params, query, visitor, path }) {
    const parsed = parseInput(deliveryQuery, queryFields(query, ["outcome", "cursor"]), "bad filter");
    if (!parsed.ok) return parsed;
    const { account } = visitor.identity;
    const cluster = await accountStub(env, account).getCluster(params.cluster);
    if (!cluster.ok) return cluster;
    const log = clusterStub(env, account, params.cluster);
    const deliveries = await log.listDeliveries(account, params.cluster, {
      ...parsed.value,
      limit: deliveriesShown,
    });
    if (!deliveries.ok) return deliveries;
    const may = permits(visitor.identity, "admin", {});
    const offered = { cluster: cluster.value, visitor, path };
    return ok({
      title: params.cluster,
      trail: [{ text: "Clusters", path: pathOf.clusters() }],
      body: (
        <>
          <Facts cluster={cluster.value} />
          {may.ok ? <Actions {...offered} /> : <p>You may look, and change nothing: {may.error.message}.</p>}
          <Agents cluster={cluster.value} api={originOf(env, request)} />
          <Deliveries
            cluster={params.cluster}
            listed={deliveries.value}
            outcome={parsed.value.outcome}
            mayRedeliver={may.ok}
            {...{ visitor, path }}
          />
        </>
      ),
      ...(may.ok ? { below: <Changes {...offered} /> } : {}),
    });
  },
  changes: ({ env, visitor }) => clusterChanges(env, visitor.identity.account),
  forms: clusterForms,
});
