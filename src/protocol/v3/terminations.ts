import { z } from "zod";
import { name, timestamp } from "../primitives.ts";
import { listAnswer } from "./list.ts";

/** The body of `POST …/services/{service}/terminations`. */
export const createTerminationBody = z.strictObject({
  environment: name.optional().describe("Only those of this environment"),
  hard: z.boolean().default(false).describe("At once, without the grace of a soft end"),
  created_before: timestamp.optional().describe("Only those that were created before"),
});
export type CreateTerminationBody = z.infer<typeof createTerminationBody>;

export const terminationStatuses = ["running", "complete"] as const;

/** The termination of many backends, which goes on by itself. */
export const termination = z
  .object({
    id: z.string(),
    cause: z.enum(["request", "service_deleted"]),
    hard: z.boolean(),
    environments: z.array(name).optional().describe("Those of these environments only"),
    created_before: timestamp.optional().describe("Those only that were created before"),
    created_at: timestamp,
    status: z.enum(terminationStatuses).describe("complete: every backend that is meant has ended"),
    total: z.int().describe("How many backends are meant: those that lived when it was requested"),
    terminated: z.int().describe("How many of them have ended"),
    remaining: z.int().describe("How many have not"),
    finished_at: timestamp.optional(),
  })
  .meta({ id: "Termination" });
export type Termination = z.infer<typeof termination>;

export const terminationList = listAnswer("terminations", termination).describe(
  "Newest first. Those are kept that are running, and the last ones that are complete",
);
