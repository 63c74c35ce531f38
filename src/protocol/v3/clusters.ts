import { z } from "zod";
import { fences } from "../../domain/backends/fence.ts";
import { clusterHealths } from "../../domain/backends/lease.ts";
import { backendRandomLength, serviceCodeLength } from "../../domain/ids.ts";
import { baseUrlMaxBytes, urlTemplateMaxCharacters } from "../../domain/limits.ts";
import { name, timestamp } from "../primitives.ts";
import { backendUrlProblem } from "../webhooks/url.ts";
import { expandBackendUrlTemplate } from "../webhooks/webhook.ts";
import { listAnswer } from "./list.ts";

const webhookUrl = z.string().max(baseUrlMaxBytes).describe("https, and a host with a public name");

const backendUrlTemplate = z
  .string()
  .max(urlTemplateMaxCharacters)
  .refine((text) => text.includes("{backend_id}"), "a template holds {backend_id}")
  .superRefine((text, context) => {
    const problem = backendUrlProblem(
      expandBackendUrlTemplate(text, "0".repeat(serviceCodeLength + backendRandomLength)),
    );
    if (problem !== null) context.addIssue(`as a backend's URL, ${problem}`);
  })
  .describe("For example https://{backend_id}.prod.example.com");

const ack = z
  .enum(["sync", "async"])
  .describe("sync: a spawn is answered after the cluster has answered; async: right after the decision");

/** `POST /v3/accounts/{account}/clusters`. The account's first cluster becomes its default. */
export const createClusterBody = z
  .strictObject({
    name,
    webhook_url: webhookUrl,
    /** Without one the cluster gives each backend's URL in its answer to the spawn. */
    backend_url_template: backendUrlTemplate.optional(),
    /** `sync` when it is left out. */
    ack: ack.optional(),
  })
  .refine((body) => body.ack !== "async" || body.backend_url_template !== undefined, {
    path: ["ack"],
    message: "an async cluster needs a backend_url_template, since its answer is not waited for",
  });
export type CreateClusterBody = z.infer<typeof createClusterBody>;

/** `PATCH …/clusters/{cluster}`: what is left out stays. */
export const patchClusterBody = z.strictObject({
  webhook_url: webhookUrl.optional(),
  /** null removes it. */
  backend_url_template: backendUrlTemplate.nullable().optional(),
  ack: ack.optional(),
  default: z.literal(true).optional().describe("Makes it the account's default cluster"),
});
export type PatchClusterBody = z.infer<typeof patchClusterBody>;

/** A cluster as it was registered. */
export const cluster = z
  .object({
    name: z.string(),
    webhook_url: z.string(),
    backend_url_template: z.string().nullable(),
    ack,
    default: z.boolean(),
    created_at: timestamp,
  })
  .meta({ id: "Cluster" });
export type Cluster = z.infer<typeof cluster>;

/** In bytes, as `df` has it: without what only root may take. */
export const diskSpace = z.object({
  free_bytes: z.int().nonnegative(),
  total_bytes: z.int().nonnegative(),
});
export type MeasuredDisk = z.infer<typeof diskSpace>;

const clusterAgent = z
  .object({
    id: z.string(),
    version: z.string(),
    last_heartbeat_at: timestamp,
    draining: z.boolean(),
    leaving: z.literal(true).optional().describe("It has said that it stops and keeps its backends"),
    backends: z.int().describe("How many it last listed"),
    capacity: z.int().optional(),
    disk: diskSpace
      .optional()
      .describe("Of its machine, where images are kept. An agent with too little room left refuses spawns"),
  })
  .meta({ id: "ClusterAgent" });
export type ClusterAgent = z.infer<typeof clusterAgent>;

const clusterObservation = z.object({
  health: z
    .enum(clusterHealths)
    .describe(
      "By the heartbeats of its agents. unknown: there never was one; draining: no agent takes new backends; " +
        "silent: none was heard for 45 s; lost: for 60 s, and what ran there is given up",
    ),
  last_heartbeat_at: timestamp.optional(),
  fence: z
    .enum(fences)
    .optional()
    .describe(
      "What frees the keys of backends whose agent is silent. lease: time; proof: a report of their end, or a release",
    ),
  agents: z.array(clusterAgent).describe("Those heard in the last 60 s, the latest first"),
});
export type ClusterObservation = z.infer<typeof clusterObservation>;

/** A cluster with its observed state. */
export const observedCluster = cluster.extend(clusterObservation.shape).meta({ id: "ObservedCluster" });
export type ObservedCluster = z.infer<typeof observedCluster>;

/** The answer to its creation, and to a replay of it. */
export const createdCluster = cluster
  .extend({
    signing_secret: z.string().describe("Signs the webhooks (Standard Webhooks). It is shown this once."),
    agent_token: z.string().describe("What the cluster calls back with. It is shown this once."),
  })
  .meta({ id: "CreatedCluster" });
export type CreatedCluster = z.infer<typeof createdCluster>;

/** `POST …/clusters/{cluster}/rotate-secret`. */
export const rotateSecretBody = z.strictObject({});

/** The answer to it. While two secrets are good, each webhook has two signatures. */
export const rotatedSecret = z
  .object({
    name: z.string(),
    signing_secret: z
      .string()
      .describe("Signs the webhooks from now on, beside the one before. It is shown this once."),
    previous_valid_until: timestamp.describe("Until then the secret that was the newest before signs too"),
  })
  .meta({ id: "RotatedSecret" });
export type RotatedSecret = z.infer<typeof rotatedSecret>;

export const clusterList = listAnswer("clusters", observedCluster);

/** `POST …/clusters/{cluster}/test`: the outcome of one `cluster.ping`. */
export const testedCluster = z
  .object({
    delivered: z.boolean(),
    /** The HTTP status; left out where no answer came. */
    status: z.int().optional(),
    duration_ms: z.number(),
    /** Left out where it was delivered. */
    error: z.string().optional(),
  })
  .meta({ id: "ClusterTest" });
export type TestedCluster = z.infer<typeof testedCluster>;
