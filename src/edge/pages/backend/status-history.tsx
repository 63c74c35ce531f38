import type { BackendStatus, StatusEntry } from "../../../domain/backend-status.ts";
import { Badge, durationText, Table, Time } from "../elements.tsx";

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

/** A backend's statuses, oldest first, with how long it was in each. */
export function StatusHistory({ history }: { history: readonly StatusEntry[] }) {
  return (
    <Table caption="Every status it has had, oldest first" head={["Status", "For", "Since"]}>
      {history.map((entry, i) => (
        <tr>
          <th scope="row">
            <StatusBadge of={entry} />
          </th>
          <td>{timeIn(entry, history[i + 1])}</td>
          <td>
            <Time at={entry.time} />
          </td>
        </tr>
      ))}
    </Table>
  );
}

function timeIn(entry: StatusEntry, next: StatusEntry | undefined): string {
  if (next) return durationText(next.time - entry.time);
  return entry.status === "terminated" ? "for good" : "until now";
}
