import { z } from "zod";
import { backendStatuses } from "../../domain/backends/status.ts";
import { digest, key, name, timestamp } from "../primitives.ts";
import { listAnswer, searchQuery } from "./list.ts";

/** `GET …/services/{service}/backends`. */
export const backendQuery = searchQuery(
  "Only those whose id, key, environment or digest begins with it",
).extend({
  environment: name.optional(),
  status: z.enum(backendStatuses).optional().describe("All but terminated when left out"),
  digest: digest.optional(),
  key: key.optional(),
});
export type BackendQuery = z.infer<typeof backendQuery>;

/** A backend in a list. */
export const backend = z
  .object({
    id: z.string(),
    account: z.string(),
    service: z.string(),
    environment: z.string(),
    cluster: z.string(),
    status: z.enum(backendStatuses),
    /** When it reached the status. */
    status_at: timestamp,
    /**
     * What it runs: the tag or digest that its spawn named, or its environment's pin; what that resolved to; and the
     * environment's revision then.
     */
    image: z.object({ image: z.string(), digest, revision: z.int() }),
    key: z.string().optional(),
    /** Larger than that of every backend of the service before it. */
    fencing_token: z.int(),
    created_at: timestamp,
    held_since: timestamp
      .optional()
      .describe(
        "Its agent is silent and its cluster needs proof of its end: its key is held until there is one, or it is released",
      ),
  })
  .meta({ id: "Backend" });
export type Backend = z.infer<typeof backend>;

/** `POST /v3/accounts/{account}/backends/{id}/release`: somebody has made sure that it does not run any more. */
export const releaseBody = z.strictObject({
  note: z.string().trim().min(1).max(1000).describe("How that is known: it is in the account's events"),
});

export const backendList = listAnswer("backends", backend);
