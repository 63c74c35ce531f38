import { z } from "zod";
import { eventTypes } from "../../domain/events.ts";
import { name, timestamp } from "../primitives.ts";
import { listAnswer, listQuery } from "./list.ts";

const detail = z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(z.string())]);

/**
 * What was done to an account, and by whom. Kept for 90 days: of what somebody changed at most the newest 100,000, and
 * apart from them, of pushes, terminations of backends and what clusters did, the newest 10,000.
 */
export const accountEvent = z
  .object({
    id: z.string().describe("Ids sort by time"),
    time: timestamp,
    type: z.enum(eventTypes),
    actor: z
      .object({ token_id: z.string(), token_name: z.string() })
      .nullable()
      .describe(
        "null: Slipway itself, the root token, a cluster's agents, or a push by a token that is not known any more",
      ),
    service: z.string().exactOptional(),
    environment: z.string().exactOptional(),
    cluster: z.string().exactOptional(),
    backend_id: z.string().exactOptional(),
    message: z.string().describe("One sentence for people: what the actor did"),
    /** Machine-readable, by type (`EventFacts` in src/domain/events.ts). Never a secret. */
    details: z.record(z.string(), detail).exactOptional(),
  })
  .meta({ id: "AccountEvent" });
export type AccountEvent = z.infer<typeof accountEvent>;

/** `GET /v3/accounts/{account}/events`. `limit` and `cursor` are for the list; a stream ignores them. */
export const eventQuery = listQuery.extend({
  service: name.optional(),
  environment: name.optional(),
  cluster: name.optional(),
  type: z.enum(eventTypes).optional(),
});
export type EventQuery = z.infer<typeof eventQuery>;

export const eventList = listAnswer("events", accountEvent);
