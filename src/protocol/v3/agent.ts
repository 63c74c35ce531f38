import { z } from "zod";
import { backendStatuses, terminationKinds, terminationReasons } from "../../domain/backends/status.ts";
import { backendIdSchema, name } from "../primitives.ts";

export const statusReportBody = z.strictObject({
  status: z.enum(backendStatuses),
  fencing_token: z.int().positive(),
  exit_code: z.int().optional(),
  termination_reason: z.enum(terminationReasons).optional(),
  termination_kind: z.enum(terminationKinds).optional(),
  url: z
    .url({ protocol: /^https?$/ })
    .max(2000)
    .optional(),
});
export type StatusReportBody = z.infer<typeof statusReportBody>;

export const statusReportAnswer = z
  .object({
    accepted: z
      .boolean()
      .describe("false: the status would have gone backwards or the fencing token is another"),
    current: z.enum(backendStatuses),
  })
  .meta({ id: "StatusReportAnswer" });
export type StatusReportAnswer = z.infer<typeof statusReportAnswer>;

export const heartbeatBody = z.strictObject({
  cluster: name,
  agent_id: z.string().min(1).max(100),
  version: z.string().max(100),
  backends: z
    .array(
      z.strictObject({
        id: backendIdSchema,
        status: z.enum(backendStatuses),
        fencing_token: z.int().positive(),
      }),
    )
    .max(10_000),
  capacity: z.int().nonnegative().optional(),
  draining: z.boolean().optional(),
});
export type HeartbeatBody = z.infer<typeof heartbeatBody>;

export const heartbeatAnswer = z
  .object({
    lease_seconds: z.int(),
    terminate: z.array(z.string()).describe("What the agent should not run"),
    unknown: z.array(z.string()).describe("Those of them that Slipway knows nothing of"),
  })
  .meta({ id: "HeartbeatAnswer" });
export type HeartbeatAnswer = z.infer<typeof heartbeatAnswer>;
