import type { BackendStatus, StatusEntry } from "../../../domain/backend-status.ts";
import { Badge } from "../elements.tsx";

const kinds: Record<Exclude<BackendStatus, "terminated">, "good" | "busy"> = {
  scheduled: "busy",
  loading: "busy",
  starting: "busy",
  waiting: "busy",
  ready: "good",
  terminating: "busy",
  "hard-terminating": "busy",
};

/** A status as a badge. An end that nobody wished for is told apart from the others. */
export function StatusBadge({ of }: { of: StatusEntry }) {
  if (of.status !== "terminated") return <Badge kind={kinds[of.status]}>{of.status}</Badge>;
  return (
    <Badge kind={hasFailed(of) ? "bad" : "off"}>{hasFailed(of) ? "terminated, failed" : "terminated"}</Badge>
  );
}

function hasFailed({ termination_reason: reason, exit_code: code }: StatusEntry): boolean {
  if (reason === "lost" || reason === "startuptimeout" || reason === "internalerror") return true;
  // Whoever is told to end may well exit with a code of its own.
  return reason === undefined && code !== undefined && code !== 0;
}
