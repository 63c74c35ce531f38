import type { BackendStatus, StatusEntry } from "../../../../domain/backends/status.ts";
import { Badge } from "./badge.tsx";

/** A backend's status, without its history. */
export function statusBadge(status: BackendStatus) {
  if (status === "ready") return <Badge kind="good">{status}</Badge>;
  if (status === "terminated") return <Badge kind="off">{status}</Badge>;
  return <Badge kind="busy">{status}</Badge>;
}

/** An entry of a backend's history: an end by a failure is shown as one. */
export function StatusBadge({ of }: { of: StatusEntry }) {
  return hasFailed(of) ? <Badge kind="bad">terminated, failed</Badge> : statusBadge(of.status);
}

function hasFailed({ status, termination_reason: reason, exit_code: code }: StatusEntry): boolean {
  if (status !== "terminated") return false;
  if (reason === "lost" || reason === "startuptimeout" || reason === "internalerror") return true;
  // Where the termination was requested, the exit code says nothing: processes choose it themselves.
  return reason === undefined && code !== undefined && code !== 0;
}
