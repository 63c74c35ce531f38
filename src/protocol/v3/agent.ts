import { z } from "zod";
import { fences } from "../../domain/backends/fence.ts";
import { backendStatuses, terminationKinds, terminationReasons } from "../../domain/backends/status.ts";
import { agentTextMaxCharacters, listedBackendsMax } from "../../domain/limits.ts";
import { backendIdSchema, name } from "../primitives.ts";
import { backendUrl } from "../webhooks/webhook.ts";
import { diskSpace } from "./clusters.ts";

/*
 * What an agent sends may have fields that are not known here: it may be newer than the control plane.
 */

/** A status that a backend went through before the one that is reported. */
const earlierStatus = z.object({
  status: z.enum(backendStatuses),
  termination_reason: z.enum(terminationReasons).optional(),
  ms_ago: z.number().nonnegative().describe("How long before this report was sent it was entered"),
});

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
  /** With these one report does for several. A control plane that does not know them takes `status` alone. */
  earlier: z
    .array(earlierStatus)
    .max(backendStatuses.length)
    .optional()
    .describe("What it went through since the last report that was answered, oldest first"),
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

/** One backend as an agent lists it. */
export const listedBackend = z.object({
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
});
export type ListedBackend = z.infer<typeof listedBackend>;

/**
 * What has changed of a list that the control plane keeps: the list has these backends, as they are said here, none of those
 * that are `gone`, and all others as they were.
 */
export const listChanges = z.object({
  backends: z.array(listedBackend).max(listedBackendsMax),
  gone: z.array(backendIdSchema).max(listedBackendsMax),
});
export type ListChanges = z.infer<typeof listChanges>;

/**
 * `POST /v3/agent/heartbeat`, every 10 s, with the cluster's agent token. At most 1 MiB.
 *
 * It has either the whole list, `backends`, or what has changed, `changes`: those are allowed once an answer has had the digest of a
 * list, and are said in comparison with the list of the heartbeat that was answered so. An agent that always sends the whole list needs no digest.
 *
 * - `list_digest` is that of the whole list as it is now (`ListDigest` has the rule), whichever of the two is sent.
 * - The control plane applies changes to the list that it has of the agent. If the result has the digest, the heartbeat has the
 *   effect of the whole list. If it has not, or there is no list, the answer is 409 `list_unknown`, and nothing has happened: the agent
 *   sends the whole list at once. So a heartbeat or an answer that was lost, or that came late, needs no care.
 * - What is listed with `idle_seconds` 0 counts as connected until a change says otherwise, and what is listed with more as idle from
 *   then on: while it is, it need not be sent again. It is when that time has begun anew.
 * - After any other refusal (a control plane that does not know changes answers 400) the agent sends the whole list too.
 */
export const heartbeatBody = z
  .object({
    cluster: name,
    /** The same across restarts of one agent; a cluster may have several. */
    agent_id: z.string().min(1).max(agentTextMaxCharacters),
    /** Of the agent's program, for people. */
    version: z.string().max(agentTextMaxCharacters),
    backends: z
      .array(listedBackend)
      .max(listedBackendsMax)
      .optional()
      .describe("Everything that the agent runs"),
    changes: listChanges
      .optional()
      .describe("In its place: what has changed of the list whose digest an answer had"),
    list_digest: z
      .string()
      .max(agentTextMaxCharacters)
      .optional()
      .describe("The digest of the whole list; needed with `changes`"),
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
  })
  .refine(
    ({ backends, changes, list_digest }) =>
      backends === undefined ? changes !== undefined && list_digest !== undefined : changes === undefined,
    "a heartbeat has either `backends`, the whole list, or `changes` and `list_digest`",
  );
export type HeartbeatBody = z.infer<typeof heartbeatBody>;

/** The answer to it. */
export const heartbeatAnswer = z
  .object({
    /** For how long after it sent this heartbeat the agent may run backends that hold keys. */
    lease_seconds: z.int(),
    terminate: z.array(z.string()).describe("What the agent should not run"),
    unknown: z.array(z.string()).describe("Those of them that Slipway knows nothing of"),
    list_digest: z
      .string()
      .optional()
      .describe(
        "The one that was sent, where it is that of the list: heartbeats after it may have `changes`",
      ),
  })
  .meta({ id: "HeartbeatAnswer" });
export type HeartbeatAnswer = z.infer<typeof heartbeatAnswer>;
