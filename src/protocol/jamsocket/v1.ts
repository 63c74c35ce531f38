import { z } from "zod";
import type { StatusEntry } from "../../domain/backends/status.ts";
import { isoTime, key, name, tag, timestamp } from "../primitives.ts";

export const statusOk = z.object({ status: z.literal("ok") });

export const v1States = [
  "Loading",
  "Starting",
  "Ready",
  "Swept",
  "Exited",
  "Terminated",
  "Failed",
  "ErrorLoading",
  "ErrorStarting",
  "TimedOutBeforeReady",
  "Lost",
] as const;
export type V1StateName = (typeof v1States)[number];

/** What v1 calls a status. JAMSOCKET-API, "v1 states". */
export function v1StateName(entry: StatusEntry): V1StateName {
  switch (entry.status) {
    case "scheduled":
    case "loading":
      return "Loading";
    case "starting":
    case "waiting":
      return "Starting";
    case "ready":
    case "terminating":
    case "hard-terminating":
      return "Ready";
    case "terminated":
      return v1EndName(entry);
  }
}

function v1EndName(entry: StatusEntry): V1StateName {
  switch (entry.termination_reason) {
    case "external":
      return "Terminated";
    case "internalerror":
    case "lost":
      return "Lost";
    case "swept":
    case "keyexpired":
      return "Swept";
  }
  switch (entry.last_status) {
    case "scheduled":
    case "loading":
      return "ErrorLoading";
    case "starting":
      return "ErrorStarting";
    case "waiting":
      return entry.termination_reason === "startuptimeout" ? "TimedOutBeforeReady" : "ErrorStarting";
  }
  if (entry.exit_code === undefined) return "Terminated";
  return entry.exit_code === 0 ? "Exited" : "Failed";
}

export const v1State = z.object({ state: z.enum(v1States), time: timestamp, backend: z.string() });
export type V1State = z.infer<typeof v1State>;

export function toV1State(backend: string, entry: StatusEntry): V1State {
  return { state: v1StateName(entry), time: isoTime(entry.time), backend };
}

/** A history as v1 tells it: consecutive states of one name are told once. */
export function toV1States(backend: string, history: readonly StatusEntry[]): V1State[] {
  return history
    .map((entry) => toV1State(backend, entry))
    .filter((state, i, states) => state.state !== states[i - 1]?.state);
}

export const authAnswer = z.object({
  status: z.literal("ok"),
  accounts: z.array(z.string()),
  is_admin: z.boolean(),
});

export const createServiceBody = z.object({ name });

export const spawnBody = z.object({
  tag: tag.optional(),
  grace_period_seconds: z.int().nonnegative().optional(),
  lock: key.optional(),
  service_environment: name.optional(),
  require_bearer_token: z.boolean().optional(),
  port: z.int().min(1).max(65_535).optional(),
  env: z.record(z.string(), z.string()).optional(),
});

export const spawnAnswer = z.object({
  name: z.string(),
  url: z.string(),
  ready_url: z.string(),
  status_url: z.string(),
  status: z.enum(v1States),
  spawned: z.boolean(),
  bearer_token: z.string().optional(),
});

export const imageNameAnswer = z.object({ status: z.literal("ok"), imageName: z.string() });

export const terminateBackendsBody = z.object({
  /** Only backends created before this time; all when it is left out. */
  before: z.iso.datetime({ offset: true }).optional(),
  hard: z.boolean().default(false),
  dry_run: z.boolean().default(false),
});

export const terminateBackendsAnswer = z.object({
  backend_count: z.int(),
  terminated_count: z.int(),
  is_complete: z.boolean(),
});
