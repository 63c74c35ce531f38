import { z } from "zod";
import type { StatusEntry } from "../../domain/backends/status.ts";
import { isoTime, key, name, secondsOrNever, spawnVariables, tag, time, timestamp } from "../primitives.ts";

/** The answer of v1 and v2 without content. */
export const statusOk = z.object({ status: z.literal("ok") });

/** The states of v1, which has fewer before `Ready` and more after it than `backendStatuses`. */
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

/**
 * The v1 state of a status (src/protocol/README.md, "Jamsocket's v1 states"). A terminated backend is classified by its
 * termination reason, then by the last status before `terminated`, then by its exit code.
 * @example v1StateName({ status: "terminated", time: 0, last_status: "ready", exit_code: 1 }) // "Failed"
 */
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

/** A state of v1. */
export const v1State = z.object({ state: z.enum(v1States), time: timestamp, backend: z.string() });
export type V1State = z.infer<typeof v1State>;

/** An entry of a history as v1 shows it. @param backend its id */
export function toV1State(backend: string, entry: StatusEntry): V1State {
  return { state: v1StateName(entry), time: isoTime(entry.time), backend };
}

/** A history as v1 shows it: of consecutive entries of one state, the first. */
export function toV1States(backend: string, history: readonly StatusEntry[]): V1State[] {
  return history
    .map((entry) => toV1State(backend, entry))
    .filter((state, i, states) => state.state !== states[i - 1]?.state);
}

/** `GET /auth`. `accounts` has one name, the token's account; `is_admin` is false for every token of an account. */
export const authAnswer = z.object({
  status: z.literal("ok"),
  accounts: z.array(z.string()),
  is_admin: z.boolean(),
});

/** `POST /user/{account}/service`, and the same in v2. */
export const createServiceBody = z.object({ name });

/** `POST /user/{account}/service/{service}/spawn`. Unknown fields are ignored: older clients send some. */
export const spawnBody = z.object({
  /** Instead of the environment's pin. A digest is not taken here. */
  tag: tag.optional(),
  /** v2's `max_idle_seconds`: for how long the backend may be without a connection; 0: it is never swept. */
  grace_period_seconds: secondsOrNever.optional(),
  /** v2's `key`. */
  lock: key.optional(),
  service_environment: name.optional(),
  /** Connections carry their token in `Authorization` instead of the URL's path. */
  require_bearer_token: z.boolean().optional(),
  /** Where the backend listens; 8080 when it is left out. */
  port: z.int().min(1).max(65_535).optional(),
  env: spawnVariables.optional(),
});

/** The answer to it. */
export const spawnAnswer = z.object({
  /** The backend's id. */
  name: z.string(),
  url: z.string(),
  ready_url: z.string(),
  status_url: z.string(),
  status: z.enum(v1States),
  /** False where `lock` was held: this is its holder. */
  spawned: z.boolean(),
  /** The connection token, where `require_bearer_token` keeps it out of `url`. */
  bearer_token: z.string().optional(),
});

/** `imageName` is `<registry host>/<account>/<service>`. */
export const imageNameAnswer = z.object({ status: z.literal("ok"), imageName: z.string() });

/** `POST /service/{account}/{service}/terminate-backends`. */
export const terminateBackendsBody = z.object({
  /** Only backends created before this time; all when it is left out. */
  before: time.optional(),
  /** Without the grace of a soft termination. */
  hard: z.boolean().default(false),
  /** Counts, and ends nothing. */
  dry_run: z.boolean().default(false),
});

/** The answer to it. One request ends at most 500 backends; `is_complete` is false while more match. */
export const terminateBackendsAnswer = z.object({
  /** How many live backends match. */
  backend_count: z.int(),
  terminated_count: z.int(),
  is_complete: z.boolean(),
});
