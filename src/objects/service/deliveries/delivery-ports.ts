import type { AttemptResult } from "../../../domain/deliveries/delivery.ts";
import type { ClusterConfig } from "../../contract.ts";
import type { SendQueue, Turn } from "../../webhooks/send-queue.ts";
import type { DeliveredWebhook } from "../../webhooks/webhook-sender.ts";

export interface DeliveryPorts {
  /** Whose turn it is to be sent. */
  turns: Pick<SendQueue, "turn">;
  /**
   * Makes one attempt and records it.
   * @param attempt its number, 1 for the first
   * @param turn null where it came to none: then that is recorded
   */
  attempt(
    cluster: ClusterConfig,
    webhook: DeliveredWebhook,
    attempt: number,
    turn: Turn | null,
  ): Promise<AttemptResult>;
  now(): number;
  /** In [0, 1). */
  random(): number;
  /** Called after an attempt that has left something to start, or to notify a shard of. */
  leftWork(): void;
  /** Has what is due started at `at` or before, in milliseconds since the epoch, if that is not null. */
  wakeBy(at: number | null): void;
}
