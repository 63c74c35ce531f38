import { z } from "zod";
import { deliveryTypes } from "../../domain/deliveries/delivery.ts";
import { deliveryOutcomes } from "../../domain/deliveries/delivery-log.ts";
import { name, timestamp } from "../primitives.ts";
import { listAnswer, listQuery } from "./list.ts";

/** `GET …/clusters/{cluster}/deliveries`. */
export const deliveryQuery = listQuery.extend({
  outcome: z
    .enum(["delivered", "failed"])
    .optional()
    .describe("failed: every outcome but delivered, also of those that are still retried"),
  service: name.optional(),
});
export type DeliveryQuery = z.infer<typeof deliveryQuery>;

/** One attempt to deliver a webhook; also the answer of `POST …/deliveries/{delivery}/redeliver`. */
export const deliveryAttempt = z
  .object({
    time: timestamp.describe("When it began"),
    attempt: z.int().positive().describe("1 for the first of its delivery"),
    status: z.int().nullable().describe("The HTTP status; null where no answer came"),
    duration_ms: z.number(),
    error: z.string().nullable().describe("At most 300 characters; null where it was delivered"),
  })
  .meta({ id: "DeliveryAttempt" });
export type DeliveryAttemptView = z.infer<typeof deliveryAttempt>;

/** One webhook with its attempts. */
export const delivery = z
  .object({
    id: z.string().describe("The webhook's id, the same in every attempt"),
    type: z.enum(deliveryTypes),
    /** What it is about, as far as its type has that. */
    service: z.string().optional(),
    environment: z.string().optional(),
    backend_id: z.string().optional(),
    attempts: z.array(deliveryAttempt).describe("Oldest first"),
    outcome: z
      .enum(deliveryOutcomes)
      .describe(
        "delivered: one of the attempts was acknowledged; retrying: another attempt may come; refused: the cluster " +
          "has said no for good; given_up: no attempt comes any more, since there were enough or it was of no more use",
      ),
  })
  .meta({ id: "Delivery" });
export type DeliveryView = z.infer<typeof delivery>;

export const deliveryList = listAnswer("deliveries", delivery).describe(
  "The newest 2,000 attempts of at most 7 days, grouped by delivery. It is a log, not a state: it can be some seconds " +
    "behind, and what was not yet written down is lost when a process is killed",
);
