import type { ExpectedBackend } from "../../domain/backends/lease.ts";
import type { Result } from "../../domain/result.ts";
import type { HeartbeatAnswer, HeartbeatBody } from "../../protocol/v3/agent.ts";
import type { ClusterObservation } from "../../protocol/v3/clusters.ts";
import type { DeliveryAttemptView, DeliveryQuery, DeliveryView } from "../../protocol/v3/deliveries.ts";
import type { Page } from "../../protocol/v3/list.ts";
import type { SentAttempts } from "../rpc-types.ts";

export interface ClusterRpc extends DeliveryLogRpc {
  /**
   * @param registration which registration of the cluster the agent belongs to: an earlier one's heartbeats are
   *   `unauthorized`, a later one's leave nothing of those before, and those of one that was deleted are refused
   */
  heartbeat(
    account: string,
    cluster: string,
    registration: number,
    body: HeartbeatBody,
  ): Promise<Result<HeartbeatAnswer>>;
  /**
   * From the Account object, at the end of a deletion: gives the storage back of a registration that has ended. Harmless
   * where that is done; what a later registration keeps stays.
   */
  forget(registration: number): Promise<void>;
  /** How the cluster is; unknown before the first heartbeat of an agent of this registration. */
  observe(registration: number): Promise<ClusterObservation>;
  /**
   * From Service objects: which of a service's backends, all acknowledged by the cluster, no agent has reported for
   * longer than the lease. None where no agent of this registration has ever sent a heartbeat.
   */
  unreported(registration: number, expected: ExpectedBackend[]): Promise<string[]>;
}

/** The log of a cluster's deliveries, which its Cluster object keeps. */
export interface DeliveryLogRpc {
  /** Recording the same attempts again shows them once. Those of an earlier registration are dropped, and of one that was deleted. */
  recordAttempts(sent: SentAttempts): Promise<void>;
  /** Newest first. `cluster_not_found` where the account has none of this name. */
  listDeliveries(account: string, cluster: string, query: DeliveryQuery): Promise<Result<Page<DeliveryView>>>;
  /**
   * Sends a webhook of the log again, with the same id, or joins the attempt that is under way. `delivery_not_found`
   * for one that the log does not have, `delivery_over` for one that is of no more use.
   */
  redeliver(account: string, cluster: string, id: string): Promise<Result<DeliveryAttemptView>>;
}
