import type { BackendStatus, StatusEntry } from "../../../../domain/backends/status.ts";
import { Badge } from "./badge.tsx";

/** A backend's status, where no more is known of it. */
export function statusBadge(status: BackendStatus) {
  if (status === "ready") return <Badge kind="good">{status}</Badge>;
  if (status === "terminated") return <Badge kind="off">{status}</Badge>;
  return <Badge kind="busy">{status}</Badge>;
}

/** A status as it was entered: an end that nobody requested looks different from the others. */
export function StatusBadge({ of }: { of: StatusEntry }) {
  return hasFailed(of) ? <Badge kind="bad">terminated, failed</Badge> : statusBadge(of.status);
}

function hasFailed({ status, termination_reason: reason, exit_code: code }: StatusEntry): boolean {
  if (status !== "terminated") return false;
  if (reason === "lost" || reason === "startuptimeout" || reason === "internalerror") return true;
  // Where the termination was requested, the exit code says nothing: processes choose it themselves.
  return reason === undefined && code !== undefined && code !== 0;
}
