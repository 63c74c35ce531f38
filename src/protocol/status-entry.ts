import { z } from "zod";
import {
  backendStatuses,
  type StatusEntry,
  terminationKinds,
  terminationReasons,
} from "../domain/backends/status.ts";

/**
 * One entry of a status history, as a shard sends it to its followers and an agent keeps it in its journal. `time` in
 * milliseconds since the epoch.
 */
export const statusEntry: z.ZodType<StatusEntry> = z.object({
  status: z.enum(backendStatuses),
  time: z.number(),
  termination_reason: z.enum(terminationReasons).exactOptional(),
  termination_kind: z.enum(terminationKinds).exactOptional(),
  exit_code: z.int().exactOptional(),
  last_status: z.enum(backendStatuses).exactOptional(),
});
