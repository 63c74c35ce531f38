import {
  lifetimeSlackMs,
  softTerminationGraceSeconds,
  startupSlackMs,
  terminationReportSlackMs,
} from "../limits.ts";
import type { BackendStatus } from "./status.ts";

/** What the control plane's own deadlines depend on. Times in milliseconds since the epoch. */
export interface LifecycleSnapshot {
  status: BackendStatus;
  createdAt: number;
  /** When the current status was entered. */
  statusAt: number;
  startupTimeoutSeconds: number;
  lifetimeLimitSeconds?: number;
}

/** Which deadline of a backend it is that passes. */
export type Overdue =
  /** Never became ready: to be ended hard, reason `startuptimeout`. */
  | "startup"
  /** Outlived its limit and its cluster has not swept it. */
  | "lifetime"
  /** A soft end that has not come: to be made a hard one. */
  | "soft_termination"
  /** A hard end that has not been reported: taken as ended. */
  | "hard_termination";

/**
 * When the next of Slipway's own deadlines for a backend passes, in milliseconds since the epoch, and which one it is;
 * null where it has none. They are for clusters that do not act by themselves: each comes after the cluster's own.
 */
export function nextDeadline(backend: LifecycleSnapshot): { at: number; overdue: Overdue } | null {
  switch (backend.status) {
    case "scheduled":
    case "loading":
    case "starting":
    case "waiting": {
      const at = backend.createdAt + backend.startupTimeoutSeconds * 1000 + startupSlackMs;
      const lifetime = endOfLifetime(backend);
      return lifetime !== null && lifetime.at < at ? lifetime : { at, overdue: "startup" };
    }
    case "ready":
      return endOfLifetime(backend);
    case "terminating":
      return {
        at: backend.statusAt + softTerminationGraceSeconds * 1000 + terminationReportSlackMs,
        overdue: "soft_termination",
      };
    case "hard-terminating":
      return { at: backend.statusAt + terminationReportSlackMs, overdue: "hard_termination" };
    case "terminated":
      return null;
  }
}

/** A lifetime counts from the decision, as Plane's does, however long the start-up takes. */
function endOfLifetime({
  createdAt,
  lifetimeLimitSeconds,
}: LifecycleSnapshot): { at: number; overdue: "lifetime" } | null {
  if (lifetimeLimitSeconds === undefined) return null;
  return { at: createdAt + lifetimeLimitSeconds * 1000 + lifetimeSlackMs, overdue: "lifetime" };
}
