import type { AccountRpc, ServiceRpc } from "../contract.ts";
import type { FailureLog } from "../failures/failure-log.ts";
import type { ClusterRow } from "./cluster.sql.ts";
import type { ReconciledServices } from "./liveness/services.ts";
import type { ClusterState } from "./state.ts";

/** What a Cluster object's functions work on, and how they reach the objects outside. */
export interface ClusterPorts {
  state: ClusterState;
  services: ReconciledServices;
  failures: FailureLog;
  account(
    name: string,
  ): Pick<AccountRpc, "recordEvents" | "servicesOfCluster" | "setClusterDraining" | "setClusterFence">;
  service(account: string, name: string): Pick<ServiceRpc, "reconcile" | "clusterLost">;
  /** As `ClusterRpc.forget`. */
  forget(registration: number): Promise<void>;
}

/** The services of a registration's account after a name, a page of them, by name. Where the registration is no more, it is forgotten here too. */
export async function servicesOf(
  { state, account, forget }: Pick<ClusterPorts, "state" | "account" | "forget">,
  row: ClusterRow,
  after: string,
): Promise<{ code: string; service: string }[]> {
  const services = await account(row.account).servicesOfCluster(row.name, row.registration, after);
  if (services.ok) return services.value;
  if (state.registered(row.registration)) await forget(row.registration);
  return [];
}
