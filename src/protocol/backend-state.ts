import { z } from "zod";
import {
  backendStatuses,
  type StatusEntry,
  terminationKinds,
  terminationReasons,
} from "../domain/backends/status.ts";
import { isoTime, timestamp } from "./primitives.ts";

const common = {
  status: z.enum(backendStatuses),
  time: timestamp,
  termination_reason: z.enum(terminationReasons).optional(),
  termination_kind: z.enum(terminationKinds).optional(),
};

/** A v2 state as anybody may see it. Unknown fields are left out, never null: the libraries reject null. */
export const publicState = z
  .object({ ...common, exit_error: z.boolean().optional() })
  .meta({ id: "PublicState" });
export type PublicState = z.infer<typeof publicState>;

/** A v2 state as a token's holder sees it. */
export const fullState = z
  .object({ ...common, exit_code: z.int().optional(), last_status: z.enum(backendStatuses).optional() })
  .meta({ id: "State" });
export type FullState = z.infer<typeof fullState>;

function commonState(entry: StatusEntry) {
  return {
    status: entry.status,
    time: isoTime(entry.time),
    ...(entry.termination_reason === undefined ? {} : { termination_reason: entry.termination_reason }),
    ...(entry.termination_kind === undefined ? {} : { termination_kind: entry.termination_kind }),
  };
}

export function toPublicState(entry: StatusEntry): PublicState {
  return {
    ...commonState(entry),
    ...(entry.exit_code === undefined ? {} : { exit_error: entry.exit_code !== 0 }),
  };
}

export function toFullState(entry: StatusEntry): FullState {
  return {
    ...commonState(entry),
    ...(entry.exit_code === undefined ? {} : { exit_code: entry.exit_code }),
    ...(entry.last_status === undefined ? {} : { last_status: entry.last_status }),
  };
}
