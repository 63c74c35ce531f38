import { z } from "zod";
import { environmentNamesListed } from "../../domain/limits.ts";
import { serviceLocations } from "../../domain/location.ts";
import { revisionKinds } from "../../domain/pins/revision.ts";
import { digest, image, key, name, note, seconds, secondsOrNever, timestamp } from "../primitives.ts";
import { listAnswer, searchQuery } from "./list.ts";
import { protection } from "./protection.ts";

/** A location hint of Cloudflare's, or none. */
const location = z.enum(serviceLocations).meta({ id: "Location" });

/** Where a service is. What does not say it is of a version without locations, which are `auto`. */
const shownLocation = location
  .default("auto")
  .describe("Where its objects were placed; auto: near their first requests");

/** `POST /v3/accounts/{account}/services`. The service has the environment `default` from the start. */
export const createServiceBody = z.strictObject({
  name,
  default_environment: name.optional(),
  location: location
    .optional()
    .describe(
      "Where on Cloudflare its objects are placed, for good; auto, the default: on the continent that the request comes from",
    ),
});

/** `PATCH …/services/{service}`. */
export const patchServiceBody = z.strictObject({
  default_environment: name.nullable().describe("Used by requests that name none; null: none is"),
});

/** A service. */
export const service = z
  .object({
    name: z.string(),
    account: z.string(),
    default_environment: z.string().nullable(),
    created_at: timestamp,
    location: shownLocation,
    last_spawned_at: timestamp.nullable(),
    last_image_upload_time: timestamp.nullable(),
    last_image_digest: z.string().nullable(),
    /** Where its images are pushed: `<registry host>/<account>/<service>`. */
    image_name: z.string(),
    environments: z
      .array(z.string())
      .describe(`Their names, oldest first: the first ${environmentNamesListed}; the list of them has all`),
    environments_total: z.int(),
    live_backends: z.int(),
  })
  .meta({ id: "Service" });

/** `GET /v3/accounts/{account}/services`. */
export const serviceQuery = searchQuery("Only those whose names begin with it, by name");
export const serviceList = listAnswer(
  "services",
  z.object({ name: z.string(), created_at: timestamp, location: shownLocation }),
);

/** Each of these fields, or null. */
function nullable<Shape extends Record<string, z.ZodType>>(shape: Shape) {
  return Object.fromEntries(
    Object.entries(shape).map(([field, schema]) => [field, schema.nullable().optional()]),
  ) as { [Field in keyof Shape]: z.ZodOptional<z.ZodNullable<Shape[Field]>> };
}

/** What an environment decides about its backends, and what keeps it from being changed. */
export const environmentSettings = z
  .strictObject({
    /** From `scheduled` to `ready`; 300 by default. */
    startup_timeout_seconds: seconds,
    /** Without a connection; 300 by default. */
    max_idle_seconds: secondsOrNever.describe("0: an idle backend is never swept"),
    lifetime_limit_seconds: seconds.describe("From the spawn on, start-up included; none by default"),
    ...protection,
  })
  .partial();

/** The same as a change names them: what is left out stays, or gets its default; null takes one away. */
export const environmentSettingsBody = environmentSettings.extend(
  nullable({ lifetime_limit_seconds: environmentSettings.shape.lifetime_limit_seconds, ...protection }),
);
export type EnvironmentSettingsBody = z.infer<typeof environmentSettingsBody>;

/** `POST …/services/{service}/environments`. */
export const createEnvironmentBody = z.strictObject({
  name,
  cluster: name.optional().describe("The account's default cluster when it is left out"),
  image: image.default("latest"),
  settings: environmentSettingsBody.optional(),
});
export type CreateEnvironmentBody = z.infer<typeof createEnvironmentBody>;

/** `PATCH …/environments/{environment}`: what is left out stays. */
export const patchEnvironmentBody = z.strictObject({
  cluster: name.nullable().optional().describe("null: the account's default cluster"),
  settings: environmentSettingsBody.optional(),
});
export type PatchEnvironmentBody = z.infer<typeof patchEnvironmentBody>;

/** A tag that an environment follows no more, and what stands on it now. */
const unfollowed = z.object({ tag: z.string(), digest: digest.nullable() });

/** An environment. */
export const environment = z
  .object({
    name: z.string(),
    cluster: z.string().nullable().describe("What it spawns into now; null while there is none"),
    image: z.string().describe("The pin: a tag or a digest"),
    digest: digest.nullable().describe("What the pin resolves to now; null while nothing was pushed"),
    /** Counts the changes of the pin and of what it resolves to; also the `ETag`. */
    revision: z.int().positive(),
    settings: environmentSettings,
    stopped: z
      .object({
        reason: z.string(),
        by: z.object({ token_id: z.string(), token_name: z.string() }),
        at: timestamp,
      })
      .optional()
      .describe("Nothing changes it until that is taken back"),
    unfollowed: unfollowed.optional().describe("It followed a tag until it was rolled back"),
    live_backends: z.int(),
    created_at: timestamp,
    last_spawned_at: timestamp.nullable(),
  })
  .meta({ id: "Environment" });
export type Environment = z.infer<typeof environment>;

/** `GET …/services/{service}/environments`. */
export const environmentQuery = searchQuery("Only those whose names contain it");
export const environmentList = listAnswer("environments", environment);

/** `PUT …/environments/{environment}/pin`. */
export const pinBody = z.strictObject({
  image,
  note: note.optional(),
  force: z
    .boolean()
    .optional()
    .describe("An admin's, with a note: past gates, a rejection, windows and a stop; it is written as such"),
});

const pinState = z.object({
  image: z.string(),
  digest: digest.nullable(),
  revision: z.int().positive(),
});

/** The answer to whatever moves an environment: the pin as it is now, and as it was. */
export const pinAnswer = pinState
  .extend({
    environment: z.string(),
    previous: pinState,
    to_revision: z.int().optional().describe("Of a rollback: the revision that it went back to"),
    rejected: digest
      .nullable()
      .optional()
      .describe("Of a rollback: the digest that it went away from, which is rejected now"),
    unfollowed: unfollowed
      .nullable()
      .optional()
      .describe("Of a rollback: the tag that is followed no more; POST …/follow follows it again"),
  })
  .meta({ id: "PinChange" });
export type PinAnswer = z.infer<typeof pinAnswer>;

/** One change of what an environment resolves to. */
export const revision = z
  .object({
    revision: z.int().positive(),
    image: z.string(),
    digest: digest.nullable().describe("What the environment resolved to from then on"),
    kind: z
      .enum(revisionKinds)
      .describe(
        "create: with its environment; pin: somebody pinned it; push: of the tag that it follows; promote: from another environment; rollback: to an earlier revision; follow: a tag again",
      ),
    by: z
      .object({ token_id: z.string(), token_name: z.string() })
      .nullable()
      .describe("Whose token pinned or pushed; null where that is not known"),
    at: timestamp,
    note: z.string().optional(),
    from: z.string().optional().describe("Of a promotion: the environment that it came from"),
    gates: z
      .enum(["passed", "forced"])
      .optional()
      .describe("How it came past the gates, where there were any"),
    unfollowed: z.string().optional().describe("Of a rollback: the tag that was followed until then"),
    returnable: z.boolean().describe("Whether its image is still there to return to"),
  })
  .meta({ id: "Revision" });
export type Revision = z.infer<typeof revision>;

/** `GET …/environments/{environment}/history`. */
export const history = listAnswer("revisions", revision);

/** `GET …/environments/{environment}/resolve`: `tag` and `key` as a spawn would name them. */
export const resolveQuery = z.strictObject({
  tag: image.optional(),
  key: key.optional(),
});

/** What a spawn would do now. Nothing was done, and the next spawn need not do the same. */
export const resolveAnswer = z
  .object({
    environment: z.string(),
    /**
     * spawn: starts a backend; reuse: hands out the backend that holds the key; wait: the key's holder is ending, and a
     * spawn would wait for that; refuse: see `refusals`.
     */
    action: z.enum(["spawn", "reuse", "wait", "refuse"]),
    backend_id: z.string().optional().describe("Who holds the key"),
    image: z.string().describe("The tag or digest that runs, or would: of who holds the key, its own"),
    digest: digest.nullable(),
    revision: z
      .int()
      .positive()
      .describe("Of the environment, now; of who holds the key, when it was spawned"),
    cluster: z.string().nullable(),
    artifact: z
      .object({ digest, artifact_type: z.string(), media_type: z.string().optional() })
      .optional()
      .describe(
        "What was pushed under this name and is no image; a tag goes on to mean the last image that was pushed with it",
      ),
    /** Every reason for which it would be refused, each as an error of the API; empty otherwise. */
    refusals: z.array(z.object({ code: z.string(), message: z.string() })),
  })
  .meta({ id: "Resolution" });
export type ResolveAnswer = z.infer<typeof resolveAnswer>;
