import { type BackendStatus, statusRank, type TerminationReason } from "../backends/status.ts";
import { crashWithinMs } from "../limits.ts";
import type { FailureKind } from "./arm-counts.ts";

/** What a step of a session's life tells of the image that it runs. */
export type SessionOutcome =
  | { outcome: "ready" }
  | { outcome: "crashed" }
  | { outcome: "failed"; kind: FailureKind };

/** Ends for which the image cannot be blamed have none: on request, for being idle, or with its machine. */
const failureKindOf: Readonly<Record<TerminationReason, FailureKind | null>> = {
  startuptimeout: "startup_timeout",
  internalerror: "internal_error",
  swept: null,
  external: null,
  keyexpired: null,
  lost: null,
};

/** Where a session was before the step. `status_at` in milliseconds since the epoch. */
export interface SessionBefore {
  status: BackendStatus;
  status_at: number;
}

/** A step that was entered. `time` in milliseconds since the epoch. */
export interface SessionStep {
  status: BackendStatus;
  time: number;
  termination_reason?: TerminationReason | undefined;
  exit_code?: number | undefined;
}

/**
 * The outcome that a step is, once in a session's life for each: it becomes ready, or fails before; what was ready crashes
 * where it ends by itself within `crashWithinMs`, and not with the exit code 0.
 * @returns null where the step says nothing of the image
 * @example sessionOutcome({ status: "waiting", status_at: 0 }, { status: "ready", time: 900 }) // { outcome: "ready" }
 */
export function sessionOutcome(from: SessionBefore, to: SessionStep): SessionOutcome | null {
  const ready = statusRank("ready");
  if (statusRank(from.status) < ready) {
    if (to.status === "ready") return { outcome: "ready" };
    if (statusRank(to.status) < ready) return null;
    const kind = to.termination_reason === undefined ? "exited" : failureKindOf[to.termination_reason];
    return kind === null ? null : { outcome: "failed", kind };
  }
  if (from.status !== "ready" || to.status !== "terminated") return null;
  const endedByItself = to.termination_reason === undefined && to.exit_code !== 0;
  const isFault = endedByItself || to.termination_reason === "internalerror";
  return isFault && to.time - from.status_at <= crashWithinMs ? { outcome: "crashed" } : null;
}
