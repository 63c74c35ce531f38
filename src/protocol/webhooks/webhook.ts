import { z } from "zod";
import { terminationReasons } from "../../domain/backends/status.ts";
import { backendIdSchema, digest, image, key, name, seconds, tag, timestamp } from "../primitives.ts";

export const resourceLimits = z
  .object({
    cpu_period: z.int().positive(),
    cpu_period_percent: z.int().positive(),
    cpu_time_limit: z.int().positive(),
    memory_limit_bytes: z.int().positive(),
    disk_limit_bytes: z.int().positive(),
  })
  .partial()
  .meta({ id: "ResourceLimits" });
export type ResourceLimits = z.infer<typeof resourceLimits>;

export const spawnLimits = z.object({
  startup_timeout_seconds: seconds,
  max_idle_seconds: z.int().nonnegative(),
  lifetime_limit_seconds: seconds.optional(),
  resources: resourceLimits.optional(),
});

export const spawnWebhookData = z.object({
  backend_id: backendIdSchema,
  account: name,
  service: name,
  environment: name,
  cluster: name,
  image: z.object({
    reference: z.string().describe("repository@digest"),
    repository: z.string(),
    digest: digest.describe("What must run"),
    tag: tag.nullable().describe("For people to read; null when a digest was named"),
  }),
  pin: z.object({ image, revision: z.int().positive() }),
  key: key.nullable(),
  fencing_token: z.int().positive(),
  env: z.record(z.string(), z.string()),
  limits: spawnLimits,
  mount: z.union([z.string(), z.boolean()]).optional(),
  require_bearer_token: z.boolean().optional(),
  port: z.int().min(1).max(65_535).optional(),
  secret_token: z.string(),
});
export type SpawnWebhookData = z.infer<typeof spawnWebhookData>;

export const terminateWebhookData = z.object({
  backend_id: backendIdSchema,
  hard: z.boolean(),
  reason: z.enum(terminationReasons),
});
export type TerminateWebhookData = z.infer<typeof terminateWebhookData>;

export const imagePinnedWebhookData = z.object({
  account: name,
  service: name,
  environment: name,
  image: z.object({
    reference: z.string(),
    repository: z.string(),
    digest,
    tag: tag.nullable(),
  }),
  revision: z.int().positive(),
});
export type ImagePinnedWebhookData = z.infer<typeof imagePinnedWebhookData>;

export const webhookMessage = z.discriminatedUnion("type", [
  z.object({ type: z.literal("backend.spawn"), timestamp, data: spawnWebhookData }),
  z.object({ type: z.literal("backend.terminate"), timestamp, data: terminateWebhookData }),
  z.object({ type: z.literal("image.pinned"), timestamp, data: imagePinnedWebhookData }),
  z.object({ type: z.literal("cluster.ping"), timestamp, data: z.object({ cluster: name }) }),
]);
export type WebhookMessage = z.infer<typeof webhookMessage>;

/** What a cluster may answer to `backend.spawn`. */
export const spawnWebhookAnswer = z.object({
  url: z
    .url({ protocol: /^https?$/ })
    .max(2000)
    .optional(),
});

/** Fills a cluster's URL template in for one backend. */
export function expandBackendUrlTemplate(template: string, backendId: string): string {
  return template.replaceAll("{backend_id}", backendId);
}
