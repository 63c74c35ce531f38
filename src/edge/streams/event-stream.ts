import { type EventFilter, eventIdPattern, matchesEvent } from "../../domain/events.ts";
import { fail } from "../../domain/result.ts";
import type { Env } from "../../objects/env.ts";
import { accountStub } from "../../objects/stubs.ts";
import { sseEventWithId } from "../../protocol/sse.ts";
import { type AccountEvent, accountEvent } from "../../protocol/v3/events.ts";
import { followMessages, openFollowing } from "./follow.ts";
import type { Step } from "./pulled-stream.ts";
import { eventsWhileAdmitted, type StillAdmitted } from "./while-admitted.ts";

/** More than an account replays to a follower that reconnects. */
const mostUnreadEvents = 2_000;

/** Whether a request accepts a stream instead of a list: it names the type, as every EventSource does. */
export function wantsEventStream(request: Request): boolean {
  const accepted = (request.headers.get("accept") ?? "").split(",");
  return accepted.some((type) => type.split(";", 1)[0]?.trim().toLowerCase() === "text/event-stream");
}

/** The path that follows an account's events. @param after an event's id: later ones are replayed first */
export function eventsPath(after: string | null, filter: EventFilter): string {
  const query = new URLSearchParams({ filter: JSON.stringify(filter), ...(after === null ? {} : { after }) });
  return `/follow/events?${query}`;
}

/** The event of a message, if it passes: an account sends each follower every event. */
export function readEvent(message: string, filter: EventFilter): Step<AccountEvent> {
  const event = accountEvent.safeParse(JSON.parse(message));
  // During a rollout the account may run another version than the Worker.
  if (!event.success) return { items: [], isLast: true };
  return { items: matchesEvent(filter, event.data) ? [event.data] : [] };
}

/**
 * Streams an account's events as server-sent events, from now on; with `Last-Event-ID`, the events after that one are
 * replayed first. The stream ends where following breaks off, the client does not keep up, or may not see them any
 * more; the client reconnects.
 */
export async function streamEvents(
  { env, request, isStillAdmitted }: { env: Env; request: Request; isStillAdmitted: StillAdmitted },
  account: string,
  filter: EventFilter,
) {
  const after = request.headers.get("last-event-id");
  if (after !== null && !eventIdPattern.test(after)) {
    return fail("bad_request", "`Last-Event-ID` is not the id of an event");
  }
  const following = await openFollowing(accountStub(env, account), eventsPath(after, filter));
  if (!following.socket) {
    return fail("unavailable", "the events cannot be followed now; try again", { retryAfterSeconds: 1 });
  }
  const encoder = new TextEncoder();
  const events = followMessages(following.socket, {
    mostUnread: mostUnreadEvents,
    read(message) {
      const { items, ...rest } = readEvent(message, filter);
      return { items: items.map((event) => encoder.encode(sseEventWithId(event.id, event))), ...rest };
    },
  });
  return eventsWhileAdmitted(events, isStillAdmitted);
}
