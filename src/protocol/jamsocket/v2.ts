import { z } from "zod";
import { backendStatuses } from "../../domain/backends/status.ts";
import { fullState, publicState } from "../backend-state.ts";
import { image, jsonObject, key, name, seconds, timestamp } from "../primitives.ts";
import { resourceLimits } from "../webhooks/webhook.ts";

export { publicState };

export const updateBody = z.object({ image_tag: image });

export const connectBody = z.object({
  key: key.optional(),
  user: z.string().max(1000).optional(),
  auth: jsonObject.optional(),
  spawn: z
    .union([
      z.boolean(),
      z.object({
        tag: image.optional(),
        cluster: name.optional(),
        lifetime_limit_seconds: seconds.optional(),
        max_idle_seconds: z.int().nonnegative().optional(),
        executable: z
          .object({
            mount: z.union([z.string(), z.boolean()]).optional(),
            env: z.record(z.string(), z.string()).optional(),
            resource_limits: resourceLimits.optional(),
          })
          .optional(),
      }),
    ])
    .optional(),
});
export type ConnectBody = z.infer<typeof connectBody>;

export const connectAnswer = z.object({
  backend_id: z.string(),
  spawned: z.boolean(),
  status: z.enum(backendStatuses),
  token: z.string(),
  url: z.string(),
  secret_token: z.string(),
  status_url: z.string(),
  ready_url: z.string(),
});

export const terminateBody = z.object({ hard: z.boolean().optional() });

export const servicesAnswer = z.object({ services: z.array(z.string()) });

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
        image_tag: z.string(),
        cluster: z.string(),
        created_at: timestamp,
        last_spawned_at: timestamp.nullable(),
      }),
    )
    .min(1),
});

export const imagesAnswer = z.object({
  images: z.array(
    z.object({ repository: z.string(), digest: z.string(), tag: z.string(), upload_time: timestamp }),
  ),
});

export const backendAnswer = z.object({
  id: z.string(),
  created_at: timestamp,
  service_name: z.string(),
  cluster_name: z.string(),
  account_name: z.string(),
  statuses: z.array(fullState),
  image_digest: z.string(),
  key: z.string().optional(),
  environment_name: z.string().optional(),
});
