import type { DeliveryAttempt } from "../domain/delivery-log.ts";
import type { Result } from "../domain/result.ts";
import type { DeliveryAttemptView, DeliveryQuery, DeliveryView } from "../protocol/v3/deliveries.ts";
import type { Page } from "../protocol/v3/list.ts";
import type { ImagePinnedWebhookData } from "../protocol/webhook.ts";

/** An attempt as it is told to its cluster's log: an `image.pinned` with its data, to be sent again with it. */
export type LoggedAttempt = DeliveryAttempt & { announced?: ImagePinnedWebhookData };

/** Attempts of one service, or of the account itself (`service` null), at one registration of a cluster. */
export interface AttemptsTold {
  registration: number;
  service: string | null;
  attempts: LoggedAttempt[];
}

export interface RedeliveryWish {
  cluster: string;
  registration: number;
  /** The webhook's. */
  id: string;
  /** How many attempts of it the log knows. */
  attempts: number;
  announced?: ImagePinnedWebhookData;
}

/** The log of a cluster's deliveries, which its Cluster object keeps. */
export interface DeliveryLogRpc {
  /** Recording the same attempts again shows them once. What an earlier registration still tells is dropped. */
  recordAttempts(told: AttemptsTold): Promise<void>;
  /** Newest first. `cluster_not_found` where the account has none of this name. */
  listDeliveries(account: string, cluster: string, query: DeliveryQuery): Promise<Result<Page<DeliveryView>>>;
  /**
   * Sends a webhook of the log again, with the same id, or joins the attempt that is under way. `delivery_not_found`
   * for one that the log does not have, `delivery_over` for one that is of no more use.
   */
  redeliver(account: string, cluster: string, id: string): Promise<Result<DeliveryAttemptView>>;
}
