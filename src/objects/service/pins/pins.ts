import { parsePin, pinText, resolvePin } from "../../../domain/pins/pin.ts";
import { ok, type Result } from "../../../domain/result.ts";
import type { PinAnswer } from "../../../protocol/v3/services.ts";
import type { Caller, PinParams } from "../../contract.ts";
import { recordEvent } from "../feed/event-outbox.ts";
import type { ServiceRow } from "../sql/service.sql.ts";
import type { ServiceState } from "../state.ts";
import { announcingPins } from "./announce.ts";
import { chooseToChange, findToChange } from "./find-environment.ts";
import { addRevision } from "./revisions.ts";

/**
 * Moves a pin. Every call is a revision, even one that pins the same image again.
 * @param named the environment; undefined: the one that a request without a name would use
 */
export function pin(
  state: ServiceState,
  service: ServiceRow,
  named: string | undefined,
  params: PinParams,
  caller: Caller,
  now: number,
): Result<PinAnswer> {
  const chosen = chooseToChange(state, service, named, caller.actor);
  if (!chosen.ok) return chosen;
  return announcingPins(state, service, caller, now, () =>
    movePin(state, service, chosen.value, params, caller, now),
  );
}

function movePin(
  state: ServiceState,
  service: ServiceRow,
  name: string,
  { image, note }: PinParams,
  caller: Caller,
  now: number,
): Result<PinAnswer> {
  const found = findToChange(state, name, caller);
  if (!found.ok) return found;
  const next = parsePin(image);
  if (!next.ok) return next;
  const resolved = resolvePin(next.value, state.imageIndex());
  if (!resolved.ok) return resolved;

  const before = found.value;
  const previous = { image: before.image, digest: state.digestOf(before), revision: before.revision };
  const after = { ...before, image: pinText(next.value), revision: before.revision + 1 };
  const noted = note === undefined ? {} : { note };
  state.sql.setPin(name, after.image, after.revision);
  addRevision(state, after, { kind: "pin", ...noted }, caller.actor, now);

  const pinned = { image: after.image, digest: resolved.value.digest, revision: after.revision };
  recordEvent(
    state,
    {
      type: "environment.pinned",
      actor: caller.actor,
      service: service.name,
      environment: name,
      details: { ...pinned, ...noted },
    },
    now,
  );
  return ok({ environment: name, ...pinned, previous });
}
