import { type BackendStatus, statusRank } from "../../domain/backends/status.ts";

/** What a starting agent does with a backend of its journal. */
export type Adoption =
  /** Nothing of it runs yet: it goes on from the pull. */
  | "launch"
  /** The runtime has it, running or ended: it goes on from its status, and the runtime reports its end. */
  | "watch"
  /** It ran and is gone. */
  | "end"
  /** It has ended, and is removed from the runtime. */
  | "remove"
  /** It has ended, and only its report is left. */
  | "none";

/** @param isFound whether the runtime has it */
export function adoptionOf(status: BackendStatus, isFound: boolean): Adoption {
  if (status === "terminated") return isFound ? "remove" : "none";
  if (isFound) return "watch";
  // `starting` is reported before the start is attempted, and one that broke off has left nothing running.
  return statusRank(status) <= statusRank("starting") ? "launch" : "end";
}
