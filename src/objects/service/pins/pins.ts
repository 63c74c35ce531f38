import { parsePin, pinText, resolvePin } from "../../../domain/pins/pin.ts";
import { ok, type Result } from "../../../domain/result.ts";
import type { PinAnswer } from "../../../protocol/v3/services.ts";
import type { Caller, PinParams } from "../../contract.ts";
import type { ServiceRow } from "../sql/service.sql.ts";
import type { ServiceState } from "../state.ts";
import { movedNow } from "./announce.ts";
import { chooseNamed, findToChange } from "./find-environment.ts";
import { addRevision } from "./revisions.ts";

/**
 * Moves a pin. Every call is a revision, even one that pins the same image again.
 * @param named the environment; undefined: the one that a request without a name would use
 */
export function pin(
  state: ServiceState,
  service: ServiceRow,
  named: string | undefined,
  { image, note }: PinParams,
  caller: Caller,
  now: number,
): Result<PinAnswer> {
  const chosen = chooseNamed(state, service, named, caller.actor.environments);
  if (!chosen.ok) return chosen;
  const name = chosen.value;
  const found = findToChange(state, name, caller);
  if (!found.ok) return found;
  const next = parsePin(image);
  if (!next.ok) return next;
  const resolved = resolvePin(next.value, state.imageIndex());
  if (!resolved.ok) return resolved;

  const before = found.value;
  const pinned = {
    image: pinText(next.value),
    digest: resolved.value.digest,
    revision: before.revision + 1,
  };
  const moved = pinned.digest === before.digest ? {} : movedNow(state, caller, now);
  const after = { ...before, ...pinned, ...moved };
  const noted = note === undefined ? {} : { note };
  state.sql.setPin(after);
  addRevision(state, service, after, { kind: "pin", from: before.digest, ...noted }, caller, now);
  const previous = { image: before.image, digest: before.digest, revision: before.revision };
  return ok({ environment: name, ...pinned, previous });
}
