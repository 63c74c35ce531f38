import { checkRight } from "../../../domain/credentials/rights.ts";
import { gateView } from "../../../domain/deploys/protection.ts";
import { checksPerImage } from "../../../domain/limits.ts";
import { listOf } from "../../../domain/names.ts";
import { fail, ok, type Result } from "../../../domain/result.ts";
import { isoTime } from "../../../protocol/primitives.ts";
import type { Candidate, Change, Check, CheckBody, Rejection } from "../../../protocol/v3/deploys.ts";
import type { PinAnswer } from "../../../protocol/v3/services.ts";
import type { Mode, MoveRequest, Outcome } from "../../contract.ts";
import { recordEvent } from "../feed/event-outbox.ts";
import { chooseNamed, findEnvironment, findToChange } from "../pins/find-environment.ts";
import { withImage } from "../pins/images.ts";
import { byOf } from "../pins/revisions.ts";
import type { CheckRow } from "../sql/deploys.sql.ts";
import type { ServiceState } from "../state.ts";
import { carryOutAmendment, checkAmendment } from "./amend.ts";
import { carryOut, refusalOf } from "./carry-out.ts";
import { addApproval, closeChange, endRow, findOpenChange, requestOf, shownChange } from "./changes.ts";
import { gatesOf } from "./evidence.ts";
import { judgeRequest } from "./judge.ts";
import { type Carrying, carryOutMove } from "./move.ts";
import { resolveMove } from "./requests.ts";

/**
 * Moves an environment, if nothing keeps it from that. Every call is a revision, even one to the same image again.
 * @param named undefined: the environment that a request without a name would use
 */
export function move(
  at: Carrying,
  named: string | undefined,
  request: MoveRequest,
  mode: Mode,
): Result<Outcome<PinAnswer>> {
  const { state, service, caller } = at;
  const { environments: allowed } = caller.actor;
  const chosen = chooseNamed(state, service, named, allowed);
  if (!chosen.ok) return chosen;
  const row = findToChange(state, chosen.value, caller);
  if (!row.ok) return row;
  const resolved = resolveMove(state, row.value, request, allowed);
  if (!resolved.ok) return resolved;
  return carryOut(at, row.value, resolved.value, mode, (judgement) =>
    carryOutMove(at, row.value, resolved.value, judgement),
  );
}

/**
 * Approves of a change. Where enough have, it is judged once more, as of whoever requested it, and carried out; what stands in its way
 * by now ends it.
 * @param requester who requested it as they are now; null where they are no more
 */
export function approve(
  at: Carrying,
  name: string,
  id: string,
  note: string | undefined,
  requester: Carrying["caller"]["actor"] | null,
): Result<Change> {
  const { state, service, caller, now } = at;
  const environment = findEnvironment(state, name, caller.actor.environments);
  if (!environment.ok) return environment;
  const found = findOpenChange(state, environment.value, id, now);
  if (!found.ok) return found;
  const approvals = addApproval(state, found.value, caller.actor, note, now);
  if (!approvals.ok) return approvals;
  const { actor } = caller;
  const target = { actor, service: service.name, environment: name };
  const { length: given } = approvals.value;
  recordEvent(state, { type: "change.approved", ...target, details: { change: id, approvals: given } }, now);
  const request = requestOf(found.value);
  const row = environment.value;
  if (requester === null) {
    endRow(
      state,
      found.value,
      "rejected",
      "whoever requested it may not change this environment any more",
      now,
    );
    return ok(shownChange(state, id, now));
  }
  const by: Carrying = {
    ...at,
    caller: { ...caller, actor: requester },
    approvedBy: approvals.value.map(({ tokenName }) => tokenName),
  };
  const judgement = judgeRequest(state, row, request, requester, now);
  if (given < Math.max(judgement.approvals, found.value.needed)) return ok(shownChange(state, id, now));
  const isAmendment = request.kind === "settings" || request.kind === "delete" || request.kind === "unstop";
  const possible = isAmendment ? checkAmendment(by, row, request) : ok(null);
  const refused = refusalOf(judgement) ?? (possible.ok ? undefined : possible.error);
  if (refused) {
    endRow(state, found.value, "rejected", refused.message, now);
    return { ok: false, error: refused };
  }
  endRow(state, found.value, "executed", null, now);
  const view = shownChange(state, id, now);
  if (isAmendment) carryOutAmendment(by, row, request);
  else carryOutMove(by, row, request, judgement);
  return ok(view);
}

/** Rejects a change, or withdraws it. */
export function endChange(
  at: Carrying,
  name: string,
  id: string,
  how: "rejected" | "withdrawn",
  note: string | undefined,
): Result<Change> {
  const environment = findEnvironment(at.state, name, at.caller.actor.environments);
  return environment.ok ? closeChange(at, environment.value, id, how, note) : environment;
}

/** What was held back of an environment's pushes, newest first. */
export function candidates(
  state: ServiceState,
  name: string,
  allowed: readonly string[] | undefined,
  now: number,
): Result<Candidate[]> {
  const row = findEnvironment(state, name, allowed);
  if (!row.ok) return row;
  return ok(
    state.sql.candidatesOf(row.value.seq).map(({ digest, tag, reason, message, at, ...by }) => ({
      digest,
      tag,
      reason,
      message,
      by: byOf(by),
      at: isoTime(at),
      gates: gatesOf(state, row.value, digest, now).map(gateView),
    })),
  );
}

/** The digests that an environment was rolled back from, newest first. */
export function rejections(
  state: ServiceState,
  name: string,
  allowed: readonly string[] | undefined,
): Result<Rejection[]> {
  const row = findEnvironment(state, name, allowed);
  if (!row.ok) return row;
  return ok(
    state.sql.rejectionsOf(row.value.seq).map(({ digest, note, at, ...by }) => ({
      digest,
      ...(note === null ? {} : { note }),
      by: byOf(by),
      at: isoTime(at),
    })),
  );
}

/** Has a digest be as any other again. */
export function liftRejection(at: Carrying, name: string, digest: string, note: string): Result<null> {
  const { state, service, caller, now } = at;
  const row = findEnvironment(state, name, caller.actor.environments);
  if (!row.ok) return row;
  if (!state.sql.rejection(row.value.seq, digest)) {
    return fail("rejection_not_found", `environment \`${name}\` has not rejected ${digest}`);
  }
  state.sql.deleteRejection(row.value.seq, digest);
  const { actor } = caller;
  const details = { digest, note };
  recordEvent(
    state,
    { type: "rejection.lifted", actor, service: service.name, environment: name, details },
    now,
  );
  return ok(null);
}

/** Records what a check outside says of an image; its newest word counts. `quota_exceeded` for too many names of one image. */
export function postCheck(at: Carrying, digest: string, body: CheckBody): Result<Check> {
  const { state, service, caller, now } = at;
  const { actor } = caller;
  const right = checkRight(actor, "check");
  if (!right.ok) return right;
  if (actor.environments !== undefined) {
    // An image belongs to the service: its checks count in every environment.
    return fail("forbidden", `this token may only act on environments ${listOf(actor.environments)}`);
  }
  const known = withImage(state, digest, ok);
  if (!known.ok) return known;
  const others = state.sql.checksOf(digest).filter(({ name }) => name !== body.name);
  if (others.length >= checksPerImage) {
    return fail("quota_exceeded", `image \`${digest}\` has ${checksPerImage} checks already`);
  }
  const { name, state: is, url = null, note = null } = body;
  const { tokenId: token_id, tokenName: token_name } = actor;
  const row: CheckRow = { digest, name, state: is, url, note, token_id, token_name, at: now };
  state.sql.putCheck(row);
  const details = { digest, check: name, state: is };
  recordEvent(state, { type: "check.posted", actor, service: service.name, details }, now);
  return ok(checkView(row));
}

/** What checks outside say of an image, by name. */
export function checks(state: ServiceState, digest: string): Result<Check[]> {
  return withImage(state, digest, () => ok(state.sql.checksOf(digest).map(checkView)));
}

function checkView({ digest, state: is, url, note, at, name, ...by }: CheckRow): Check {
  return {
    name,
    state: is,
    ...(url === null ? {} : { url }),
    ...(note === null ? {} : { note }),
    by: byOf(by),
    at: isoTime(at),
  };
}
