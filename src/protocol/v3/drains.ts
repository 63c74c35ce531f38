import { z } from "zod";
import { drainCancelReasons, drainStates } from "../../domain/deploys/drain.ts";
import {
  drainAtEndOfMaxSeconds,
  drainHeldUpShown,
  drainKeepMax,
  drainRateDefault,
  drainRateMax,
} from "../../domain/limits.ts";
import { backendIdSchema, digest, key, name, time, timestamp } from "../primitives.ts";
import { listAnswer } from "./list.ts";

const when = z.union([
  z.literal("idle"),
  z.strictObject({ at_end_of: z.int().nonnegative().max(drainAtEndOfMaxSeconds) }),
]);

const keep = z.strictObject({
  keys: z.array(key).max(drainKeepMax).optional(),
  backends: z.array(backendIdSchema).max(drainKeepMax).optional(),
});

/** The body of `POST …/services/{service}/drains`: one of `digest`, `before_revision` and `before` says what is meant. */
export const createDrainBody = z
  .strictObject({
    environment: name
      .optional()
      .describe("Only what runs in it; left out: in all environments that the token reaches"),
    digest: digest.optional().describe("What runs this image"),
    before_revision: z
      .int()
      .positive()
      .optional()
      .describe("What was spawned before this revision of the environment, which must be named"),
    before: time.optional().describe("What was spawned before this time"),
    when: when
      .default("idle")
      .describe(
        "When sessions without a key end: once they have no connection, or in the end although they have, so many seconds after the " +
          "drain's beginning. Those with a key end in any case, at the rate",
      ),
    rate_per_minute: z.int().min(1).max(drainRateMax).default(drainRateDefault),
    keep: keep.optional().describe("What is left as it is, and not counted in total, ended and live"),
  })
  .refine(
    ({ digest, before_revision, before }) =>
      [digest, before_revision, before].filter((each) => each !== undefined).length === 1,
    "name one of `digest`, `before_revision` and `before`",
  )
  .refine(({ environment, before_revision }) => before_revision === undefined || environment !== undefined, {
    path: ["before_revision"],
    message: "revisions are those of an environment: name it as `environment`",
  });
export type CreateDrainBody = z.infer<typeof createDrainBody>;

/** The ending of what environments do not run any more, softly and at a rate. */
export const drain = z
  .object({
    id: z.string(),
    state: z
      .enum(drainStates)
      .describe("drained: all that is meant has been seen to end; what nobody knows of is not"),
    environment: name.optional().describe("Only what runs in it"),
    environments: z
      .array(name)
      .optional()
      .describe("In place of that, where a token narrowed to several named none"),
    digest: digest.optional(),
    before_revision: z.int().optional(),
    before: timestamp.optional(),
    when,
    rate_per_minute: z.int(),
    keep: keep.optional(),
    created_at: timestamp,
    by: z.object({ token_id: z.string(), token_name: z.string() }),
    total: z
      .int()
      .describe(
        "What has ended and what is live. Meant are those backends only that were decided before the drain began, without what is " +
          "kept and what runs the digest that its environment resolves to",
      ),
    ended: z.int(),
    live: z
      .int()
      .describe("Also those on their way and those that are ending; once it is over, those that it left"),
    kept: z.int().describe("How many live that `keep` leaves"),
    oldest_started_at: timestamp.nullable().describe("When the oldest was spawned that is live"),
    eta: timestamp
      .nullable()
      .describe(
        "About when the last one will have ended: by the rate and the grace and, of what has to become idle, by how long sessions " +
          "were seen to live in its environment. null: over, or nothing was seen, or nobody knows whether some of them run",
      ),
    held_up_by: z
      .object({ count: z.int(), backends: z.array(z.string()) })
      .describe(
        "What it can only wait for: sessions without a key that are in use or not known to be idle, and backends of which nobody " +
          `knows whether they run. The first ${drainHeldUpShown} by their ids`,
      ),
    ended_at: timestamp.optional().describe("When it was drained or cancelled"),
    reason: z.enum(drainCancelReasons).optional().describe("Why it was cancelled"),
  })
  .meta({ id: "Drain" });
export type Drain = z.infer<typeof drain>;

export const drainList = listAnswer("drains", drain).describe(
  "Newest first. Those are kept that are under way, and for 30 days the last 100 that are over",
);
