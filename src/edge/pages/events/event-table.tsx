import { digestPattern, shortDigest } from "../../../domain/pins/images.ts";
import type { AccountEvent } from "../../../protocol/v3/events.ts";
import { pathOf } from "../elements/paths.ts";
import { Table } from "../elements/table.tsx";
import { Time } from "../elements/time.tsx";

/** Events, each with who did it and links to what it names. @param account whose events these are */
export function EventTable({ events, account }: { events: readonly AccountEvent[]; account: string }) {
  return (
    <Table caption="Events, newest first" head={["What", "Who", "When", "See"]}>
      {events.map((event) => (
        <tr id={`event-${event.id}`}>
          <td>
            <Message text={event.message} />
          </td>
          <td>
            <bdi>{event.actor?.token_name ?? "the system"}</bdi>
          </td>
          <td>
            <Time at={event.time} />
          </td>
          <td>
            <ul class="links">
              {placesOf(event, account).map(({ kind, text, path }) => (
                <li>
                  {kind} <a href={path}>{text}</a>
                </li>
              ))}
            </ul>
          </td>
        </tr>
      ))}
    </Table>
  );
}

/** A message, with text between backticks as code; names that users choose may have backticks of their own. */
function Message({ text }: { text: string }) {
  const parts = text.split("`");
  if (parts.length % 2 === 0) return <bdi>{text}</bdi>;
  return <bdi>{parts.map((part, i) => (i % 2 === 1 ? <code class="wraps">{part}</code> : part))}</bdi>;
}

interface Place {
  kind: string;
  text: string;
  path: string;
}

/** Links to what an event names, outermost first, except for what it deleted. */
function placesOf(event: AccountEvent, account: string): Place[] {
  const { type, service, environment, cluster, backend_id: backend, details } = event;
  const places: Place[] = [];
  if (service !== undefined && type !== "service.deleted") {
    places.push({ kind: "service", text: service, path: pathOf.service(account, service) });
    if (environment !== undefined && type !== "environment.deleted") {
      const path = pathOf.environment(account, service, environment);
      places.push({ kind: "environment", text: environment, path });
    }
    const digest = details?.digest;
    if (typeof digest === "string" && digestPattern.test(digest) && type !== "image.deleted") {
      const path = pathOf.image(account, service, digest);
      places.push({ kind: "image", text: shortDigest(digest), path });
    }
  }
  if (backend !== undefined) places.push({ kind: "backend", text: backend, path: pathOf.backend(backend) });
  if (cluster !== undefined && type !== "cluster.deleted") {
    places.push({ kind: "cluster", text: cluster, path: pathOf.cluster(cluster) });
  }
  return places;
}
