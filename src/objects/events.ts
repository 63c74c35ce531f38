import { eventMessage } from "../domain/event-message.ts";
import { type EventFacts, eventId, eventIdRandomBytes } from "../domain/events.ts";
import { isoTime } from "../protocol/primitives.ts";
import type { AccountEvent } from "../protocol/v3/events.ts";
import type { Actor } from "./contract.ts";

/** What happened, to what, and who did it: null where no token did. */
export type EventParams = EventFacts & { actor: Actor | null };

/**
 * Makes an event, where the change is decided: the id goes with it from then on.
 * @param now milliseconds since the epoch
 * @param random of a cause that may be decided on twice, bytes that are the same each time
 */
export function newEvent(
  { actor, ...facts }: EventParams,
  now: number,
  random: Uint8Array = crypto.getRandomValues(new Uint8Array(eventIdRandomBytes)),
): AccountEvent {
  const { type, ...subject } = facts;
  return {
    ...subject,
    id: eventId(now, random),
    time: isoTime(now),
    type,
    actor: actor && { token_id: actor.tokenId, token_name: actor.tokenName },
    message: eventMessage(facts),
  };
}
