import { z } from "zod";
import { terminationReasons } from "../../domain/backends/status.ts";
import {
  baseUrlMaxBytes,
  imageMaxCharacters,
  repositoryMaxCharacters,
  secretTokenMaxCharacters,
} from "../../domain/limits.ts";
import {
  backendIdSchema,
  digest,
  environmentVariables,
  image,
  key,
  line,
  mount,
  name,
  seconds,
  secondsOrNever,
  tag,
  timestamp,
} from "../primitives.ts";
import { backendUrlProblem } from "./url.ts";

/** What a backend may use, with Jamsocket's names. What is left out is not limited. */
export const resourceLimits = z
  .object({
    /** In microseconds: the period of which `cpu_period_percent` is a share. */
    cpu_period: z.int().positive(),
    /** Percent of one processor; 200 is two of them. */
    cpu_period_percent: z.int().positive(),
    /** Processor time of one process, in seconds. */
    cpu_time_limit: z.int().positive(),
    memory_limit_bytes: z.int().positive(),
    disk_limit_bytes: z.int().positive(),
  })
  .partial()
  .meta({ id: "ResourceLimits" });
export type ResourceLimits = z.infer<typeof resourceLimits>;

/** When a backend is to be ended by its cluster, and what it may use. */
export const spawnLimits = z.object({
  /** From its spawn until it is ready. */
  startup_timeout_seconds: seconds,
  /** Without a connection; 0: it is never swept. */
  max_idle_seconds: secondsOrNever,
  /** From its spawn on, start-up included. */
  lifetime_limit_seconds: seconds.optional(),
  resources: resourceLimits.optional(),
});

const repository = line(2 * repositoryMaxCharacters);
const reference = line(2 * repositoryMaxCharacters + "@".length + imageMaxCharacters);

/** `backend.spawn`: the same in every attempt. */
export const spawnWebhookData = z.object({
  backend_id: backendIdSchema,
  account: name,
  service: name,
  environment: name,
  cluster: name,
  image: z.object({
    reference: reference.describe("repository@digest"),
    repository,
    digest: digest.describe("What must run"),
    tag: tag.nullable().describe("For people to read; null when a digest was named"),
  }),
  /** What the environment was pinned to, whatever the request named instead. */
  pin: z.object({ image, revision: z.int().positive() }),
  key: key.nullable(),
  /** Larger than that of every backend of the service before it: storage can refuse writes of an earlier one. */
  fencing_token: z.int().positive(),
  /** Of the request; the platform's own variables are the cluster's to add. */
  env: environmentVariables,
  limits: spawnLimits,
  /** A folder that outlives the backend: of this name, or true for the key's own. */
  mount: mount.optional(),
  /** Connections carry their token in `Authorization` and not in the path. */
  require_bearer_token: z.boolean().optional(),
  /** Where the backend listens; 8080 when it is left out. */
  port: z.int().min(1).max(65_535).optional(),
  /** For the backend, as `SESSION_BACKEND_STATIC_TOKEN`. The secrets of connections are derived from it (`connectionSecret`). */
  secret_token: line(secretTokenMaxCharacters),
});
export type SpawnWebhookData = z.infer<typeof spawnWebhookData>;

/** `backend.terminate`. */
export const terminateWebhookData = z.object({
  backend_id: backendIdSchema,
  /** False: the backend has 30 s to end by itself. */
  hard: z.boolean(),
  reason: z.enum(terminationReasons),
});
export type TerminateWebhookData = z.infer<typeof terminateWebhookData>;

/** `backend.touch`: somebody is about to connect, so that the backend's idle time begins anew. It is sent once, and nobody retries it. */
export const touchWebhookData = z.object({ backend_id: backendIdSchema });

/** `image.pinned`: an environment of the cluster resolves to another digest now, which may be pulled ahead. */
export const imagePinnedWebhookData = z.object({
  account: name,
  service: name,
  environment: name,
  image: z.object({
    reference,
    repository,
    digest,
    tag: tag.nullable(),
  }),
  revision: z.int().positive(),
});
export type ImagePinnedWebhookData = z.infer<typeof imagePinnedWebhookData>;

/** The body of every webhook that Slipway sends to a cluster. `timestamp` is that of the attempt. */
export const webhookMessage = z.discriminatedUnion("type", [
  z.object({ type: z.literal("backend.spawn"), timestamp, data: spawnWebhookData }),
  z.object({ type: z.literal("backend.terminate"), timestamp, data: terminateWebhookData }),
  z.object({ type: z.literal("backend.touch"), timestamp, data: touchWebhookData }),
  z.object({ type: z.literal("image.pinned"), timestamp, data: imagePinnedWebhookData }),
  z.object({ type: z.literal("cluster.ping"), timestamp, data: z.object({ cluster: name }) }),
]);
export type WebhookMessage = z.infer<typeof webhookMessage>;

/** Where clients reach a backend, without the token's segment. */
export const backendUrl = z
  .string()
  .max(baseUrlMaxBytes)
  .superRefine((text, context) => {
    const problem = backendUrlProblem(text);
    if (problem !== null) context.addIssue(problem);
  })
  .describe("An http or https URL without credentials, query and fragment");

/** What a cluster may answer to `backend.spawn`. */
export const spawnWebhookAnswer = z.object({ url: backendUrl.optional() });

/**
 * The URL of a backend by its cluster's template.
 * @example expandBackendUrlTemplate("https://{backend_id}.eu.example.com", "k3f9q7h3kq2m9")
 * // "https://k3f9q7h3kq2m9.eu.example.com"
 */
export function expandBackendUrlTemplate(template: string, backendId: string): string {
  return template.replaceAll("{backend_id}", backendId);
}
