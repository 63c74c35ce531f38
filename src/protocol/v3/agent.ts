import { z } from "zod";
import { fences } from "../../domain/backends/fence.ts";
import { backendStatuses, terminationKinds, terminationReasons } from "../../domain/backends/status.ts";
import { agentTextMaxCharacters } from "../../domain/limits.ts";
import { backendIdSchema, name } from "../primitives.ts";
import { backendUrl } from "../webhooks/webhook.ts";
import { diskSpace } from "./clusters.ts";

/*
 * What an agent sends may have fields that are not known here: it may be newer than the control plane.
 */

/** `POST /v3/agent/backends/{id}/status`, with the cluster's agent token. Idempotent: retry it until answered. */
export const statusReportBody = z.object({
  status: z.enum(backendStatuses),
  /** As in the backend's spawn: a report about an earlier attempt is not accepted. */
  fencing_token: z.int().positive(),
  exit_code: z.int().optional(),
  /** From `terminating` on, where it was the cluster that ended the backend. */
  termination_reason: z.enum(terminationReasons).optional(),
  termination_kind: z.enum(terminationKinds).optional(),
  /** Where connections reach the backend, without the token's segment: as in the answer to its spawn. */
  url: backendUrl.optional(),
});
export type StatusReportBody = z.infer<typeof statusReportBody>;

/** The answer to it. A report that was not accepted is no error, and must not be retried. */
export const statusReportAnswer = z
  .object({
    accepted: z
      .boolean()
      .describe("false: the status would have gone backwards or the fencing token is another"),
    /** The status after the report. */
    current: z.enum(backendStatuses),
  })
  .meta({ id: "StatusReportAnswer" });
export type StatusReportAnswer = z.infer<typeof statusReportAnswer>;

/** `POST /v3/agent/heartbeat`, every 10 s, with the cluster's agent token. At most 1 MiB. */
export const heartbeatBody = z.object({
  cluster: name,
  /** The same across restarts of one agent; a cluster may have several. */
  agent_id: z.string().min(1).max(agentTextMaxCharacters),
  /** Of the agent's program, for people. */
  version: z.string().max(agentTextMaxCharacters),
  /** Everything that the agent runs. */
  backends: z
    .array(
      z.object({
        id: backendIdSchema,
        status: z.enum(backendStatuses),
        fencing_token: z.int().positive(),
        idle_seconds: z
          .number()
          .nonnegative()
          .optional()
          .describe(
            "For how long it has had no connection and was not touched, 0 while it has one; left out where it is not swept for that, or not known",
          ),
      }),
    )
    .max(10_000),
  /** How many backends it could run at once, for people. */
  capacity: z.int().nonnegative().optional(),
  /** It takes no new backends. */
  draining: z.boolean().optional(),
  /** What shows that its backends with keys have ended once it is silent. `lease` where it is left out. */
  fence: z
    .enum(fences)
    .optional()
    .describe(
      "lease: they are ended when the lease runs out; proof: nothing ends them, so that their keys do not move",
    ),
  /** It stops and keeps its backends. It takes no new ones; what holds keys is ended by the lease as ever. */
  leaving: z.boolean().optional(),
  /** Of the disk that images take, as the agent last measured it. */
  disk: diskSpace.optional(),
});
export type HeartbeatBody = z.infer<typeof heartbeatBody>;

/** The answer to it. */
export const heartbeatAnswer = z
  .object({
    /** For how long after it sent this heartbeat the agent may run backends that hold keys. */
    lease_seconds: z.int(),
    terminate: z.array(z.string()).describe("What the agent should not run"),
    unknown: z.array(z.string()).describe("Those of them that Slipway knows nothing of"),
  })
  .meta({ id: "HeartbeatAnswer" });
export type HeartbeatAnswer = z.infer<typeof heartbeatAnswer>;
