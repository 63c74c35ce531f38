import { z } from "zod";
import { backendStatuses } from "../../domain/backends/status.ts";
import { userMaxCharacters } from "../../domain/limits.ts";
import { fullState, publicState } from "../backend-state.ts";
import {
  image,
  jsonObject,
  key,
  mount,
  name,
  seconds,
  secondsOrNever,
  spawnVariables,
  timestamp,
} from "../primitives.ts";
import { verifiedUserProblem } from "../verified-headers.ts";
import { resourceLimits } from "../webhooks/webhook.ts";

export { publicState };

/** `POST /v2/service/{account}/{service}[/{environment}]/update`: a tag, or in spite of its name a digest. */
export const updateBody = z.object({ image_tag: image });

const connectFields = z.object({
  /** At most one live backend of an environment holds a key; without one every connect starts a backend. */
  key: key.optional(),
  /** A claim of the connection token; the backend receives it as `x-verified-username`. */
  user: z.string().max(userMaxCharacters).optional(),
  /** Likewise, as JSON in `x-verified-user-data`. Both together are bounded (`verifiedUserProblem`). */
  auth: jsonObject.optional(),
  /** False: start nothing; the key must be held. Left out: true. */
  spawn: z
    .union([
      z.boolean(),
      z.object({
        /** Instead of the environment's pin; a digest as well. */
        tag: image.optional(),
        /** Instead of the environment's cluster. */
        cluster: name.optional(),
        /** An admin's: even an image that the environment was rolled back from. */
        force: z.boolean().optional(),
        lifetime_limit_seconds: seconds.optional().describe("From the spawn on, start-up included"),
        /** 0: it is never swept. */
        max_idle_seconds: secondsOrNever.optional(),
        executable: z
          .object({
            /** A folder that outlives the backend: of this name, or true for the key's own. */
            mount: mount.optional(),
            env: spawnVariables.optional(),
            resource_limits: resourceLimits.optional(),
          })
          .optional(),
      }),
    ])
    .optional(),
});

/** `POST /v2/service/{account}/{service}[/{environment}]/connect`. Unknown fields are ignored. */
export const connectBody = connectFields.superRefine((body, context) => {
  const problem = verifiedUserProblem(body);
  if (problem !== null) context.addIssue(problem);
});
export type ConnectBody = z.infer<typeof connectBody>;

/** The answer to it. */
export const connectAnswer = z.object({
  backend_id: z.string(),
  /** False where the key was held: this is its holder. */
  spawned: z.boolean(),
  status: z.enum(backendStatuses),
  /** The connection token, which is also the last segment of `url`. */
  token: z.string(),
  /** Where the client connects. */
  url: z.string(),
  /** This connection's, shared by Slipway's caller and the backend, which gets it with each request as `x-verified-secret`. */
  secret_token: z.string(),
  status_url: z.string(),
  /** A page that waits until the backend is ready and then goes to `url`. */
  ready_url: z.string(),
});

/** `POST /v2/backend/{id}/terminate`: softly when `hard` is left out. */
export const terminateBody = z.object({ hard: z.boolean().optional() });

/** The names of an account's services, in v1 and v2. */
export const servicesAnswer = z.object({ services: z.array(z.string()) });

/** The live backends of an account, in v1 and v2. */
export const runningBackendsAnswer = z.object({
  running_backends: z.array(
    z.object({
      id: z.string(),
      created_at: timestamp,
      service_name: z.string(),
      cluster_name: z.string(),
      account_name: z.string(),
      status: fullState,
      key: z.string().optional(),
    }),
  ),
});

/** `GET /v2/service/{account}/{service}`. The CLI takes the first environment for granted: there is always one. */
export const serviceAnswer = z.object({
  name: z.string(),
  account_name: z.string(),
  created_at: timestamp,
  last_spawned_at: timestamp.nullable(),
  last_image_upload_time: timestamp.nullable(),
  last_image_digest: z.string().nullable(),
  image_name: z.string(),
  environments: z
    .array(
      z.object({
        name: z.string(),
        /** The pin: a tag or a digest. */
        image_tag: z.string(),
        /** `-` while there is none: clients expect a text. */
        cluster: z.string(),
        created_at: timestamp,
        last_spawned_at: timestamp.nullable(),
      }),
    )
    .min(1),
});

/** `GET /v2/service/{account}/{service}/images`: the 50 most recent pushes, newest first. `tag` is empty without one. */
export const imagesAnswer = z.object({
  images: z.array(
    z.object({ repository: z.string(), digest: z.string(), tag: z.string(), upload_time: timestamp }),
  ),
});

/** `GET /v2/backend/{id}`: also of one that has ended, for 30 days. */
export const backendAnswer = z.object({
  id: z.string(),
  created_at: timestamp,
  service_name: z.string(),
  cluster_name: z.string(),
  account_name: z.string(),
  /** Oldest first, never empty. */
  statuses: z.array(fullState),
  image_digest: z.string(),
  key: z.string().optional(),
  environment_name: z.string().optional(),
});
