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
  /** From `terminating` on. */
  termination_reason: z.enum(terminationReasons).optional(),
  /** On `terminated`. */
  termination_kind: z.enum(terminationKinds).optional(),
};

/** A v2 state as anybody may see it. What is not known is left out, never null: Jamsocket's libraries reject null. */
export const publicState = z
  .object({
    ...common,
    /** On `terminated`: whether the exit code is another than 0; left out where the code is not known. */
    exit_error: z.boolean().optional(),
  })
  .meta({ id: "PublicState" });
export type PublicState = z.infer<typeof publicState>;

/** A v2 state as the holder of an access token sees it. */
export const fullState = z
  .object({
    ...common,
    exit_code: z.int().optional(),
    /** On `terminated`: the last status in which the backend lived. */
    last_status: z.enum(backendStatuses).optional(),
  })
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

/** A history's entry without what only a token's holder may see. */
export function toPublicState(entry: StatusEntry): PublicState {
  return {
    ...commonState(entry),
    ...(entry.exit_code === undefined ? {} : { exit_error: entry.exit_code !== 0 }),
  };
}

/** A history's entry with all that is known of it. */
export function toFullState(entry: StatusEntry): FullState {
  return {
    ...commonState(entry),
    ...(entry.exit_code === undefined ? {} : { exit_code: entry.exit_code }),
    ...(entry.last_status === undefined ? {} : { last_status: entry.last_status }),
  };
}
