import { isOneOf, isSamePerson, type MadeToken } from "../../../domain/credentials/makers.ts";
import { checkRight } from "../../../domain/credentials/rights.ts";
import { changeState } from "../../../domain/deploys/approvals.ts";
import type { Judgement } from "../../../domain/deploys/protection.ts";
import { changeOpenMs, endedChangesKept, openChangesMax } from "../../../domain/limits.ts";
import { fail, ok, type Result } from "../../../domain/result.ts";
import { isoTime } from "../../../protocol/primitives.ts";
import type { Change } from "../../../protocol/v3/deploys.ts";
import type { ListQuery, Page } from "../../../protocol/v3/list.ts";
import type { Actor } from "../../contract.ts";
import { newestFirst, pageOf } from "../../page.ts";
import { recordEvent } from "../feed/event-outbox.ts";
import { findEnvironment } from "../pins/find-environment.ts";
import type { ChangeRow } from "../sql/changes.sql.ts";
import type { EnvironmentRow } from "../sql/service.sql.ts";
import type { ServiceState } from "../state.ts";
import type { Carrying } from "./move.ts";
import type { ChangeRequest } from "./requests.ts";

/** Somebody's approval, as a change keeps it. */
export interface Approval extends MadeToken {
  tokenName: string;
  /** Milliseconds since the epoch. */
  at: number;
  note?: string;
}

/** Has a change wait for approval. @returns `quota_exceeded` where too many wait in the service */
export function requestChange(
  { state, service, caller, now }: Carrying,
  row: EnvironmentRow,
  request: ChangeRequest,
  { approvals: needed }: Judgement,
): Result<Change> {
  if (closeThoseOver(state, now) >= openChangesMax) {
    return fail("quota_exceeded", `${openChangesMax} changes of this service wait for approval already`);
  }
  const id = crypto.randomUUID();
  const { actor } = caller;
  state.sql.insertChange({
    id,
    environment: row.seq,
    environment_name: row.name,
    request: JSON.stringify(request),
    digest: "digest" in request ? request.digest : null,
    revision: row.revision,
    needed,
    requester: JSON.stringify(actor),
    at: now,
  });
  const details = { change: id, kind: request.kind, approvals_needed: needed };
  recordEvent(
    state,
    { type: "change.requested", actor, service: service.name, environment: row.name, details },
    now,
  );
  return ok(shownChange(state, id, now));
}

/**
 * Those that are open no more by their time or their environment's revision are written as such: they take no place.
 * @returns how many are open
 */
function closeThoseOver(state: ServiceState, now: number): number {
  let open = 0;
  for (const row of state.sql.allOpenChanges()) {
    const is = changeState(row, state.environments.withSeq(row.environment)?.revision ?? null, now);
    if (is === "open") open += 1;
    else endRow(state, row, is, null, now);
  }
  return open;
}

/** Ends all changes of an environment that wait: what they were judged by is not so any more. */
export function overtakeChanges(state: ServiceState, { seq }: EnvironmentRow, now: number): void {
  for (const row of state.sql.openChanges(seq)) endRow(state, row, "overtaken", null, now);
}

/** Ends a change. */
export function endRow(
  state: ServiceState,
  { id }: ChangeRow,
  is: ChangeRow["state"],
  outcome: string | null,
  now: number,
): void {
  state.sql.endChange({ id, state: is, outcome, ended_at: now }, endedChangesKept);
}

/** A change that was written, as the API answers it. */
export function shownChange(state: ServiceState, id: string, now: number): Change {
  const row = state.sql.change(id);
  if (!row) throw new Error("a change that was written has no row");
  return changeView(state, row, now);
}

/** A change of an environment that is open. `change_not_found`, or `change_over` with how it ended. */
export function findOpenChange(
  state: ServiceState,
  environment: EnvironmentRow,
  id: string,
  now: number,
): Result<ChangeRow> {
  const row = state.sql.change(id);
  if (row?.environment !== environment.seq) return changeNotFound(environment.name, id);
  const is = changeState(row, environment.revision, now);
  if (is === "open") return ok(row);
  return fail("change_over", `change \`${id}\` is over: ${is}`, { details: { state: is } });
}

/**
 * Adds somebody's approval.
 * @returns all that there are now: `forbidden` for somebody without the right, of one's own change, and a second time
 */
export function addApproval(
  state: ServiceState,
  row: ChangeRow,
  actor: Actor,
  note: string | undefined,
  now: number,
): Result<Approval[]> {
  const right = checkRight(actor, "approve");
  if (!right.ok) return right;
  if (isSamePerson(requesterOf(row), actor)) {
    return fail(
      "forbidden",
      "nobody approves of their own change: this token requested it, made the token that did, or was made by it",
    );
  }
  const approvals = approvalsOf(row);
  if (isOneOf(approvals, actor))
    return fail("forbidden", "this token, or one that counts as the same person, has approved already");
  const { tokenId, tokenName, makers } = actor;
  const added: Approval = {
    tokenId,
    tokenName,
    ...(makers === undefined ? {} : { makers }),
    at: now,
    ...(note === undefined ? {} : { note }),
  };
  const all = [...approvals, added];
  state.sql.setApprovals(row.id, JSON.stringify(all));
  return ok(all);
}

/** Rejects a change, with the right to approve; or withdraws it, as whoever requested it. */
export function closeChange(
  { state, service, caller, now }: Carrying,
  environment: EnvironmentRow,
  id: string,
  how: "rejected" | "withdrawn",
  note: string | undefined,
): Result<Change> {
  const row = findOpenChange(state, environment, id, now);
  if (!row.ok) return row;
  const { actor } = caller;
  if (how === "rejected") {
    const right = checkRight(actor, "approve");
    if (!right.ok) return right;
  } else if (!isSamePerson(requesterOf(row.value), actor)) {
    return fail("forbidden", "a change is withdrawn by whoever requested it; others reject it");
  }
  endRow(state, row.value, how, note ?? null, now);
  const details = { change: id, state: how, ...(note === undefined ? {} : { note }) };
  recordEvent(
    state,
    { type: "change.ended", actor, service: service.name, environment: environment.name, details },
    now,
  );
  return ok(shownChange(state, id, now));
}

export function requesterOf({ requester }: ChangeRow): Actor {
  return JSON.parse(requester);
}

export function requestOf({ request }: ChangeRow): ChangeRequest {
  return JSON.parse(request);
}

function approvalsOf({ approvals }: ChangeRow): Approval[] {
  return JSON.parse(approvals);
}

/** A page of an environment's changes, newest first. */
export function listChanges(
  state: ServiceState,
  name: string,
  query: ListQuery,
  allowed: readonly string[] | undefined,
  now: number,
): Result<Page<Change>> {
  const row = findEnvironment(state, name, allowed);
  if (!row.ok) return row;
  return pageOf(query, newestFirst, {
    read: (from, atMost) => state.sql.changesBeyond(row.value.seq, from, atMost),
    keyOf: ({ seq }) => seq,
    item: (change) => changeView(state, change, now),
  });
}

/** One of an environment's changes, whatever became of it. */
export function getChange(
  state: ServiceState,
  name: string,
  id: string,
  allowed: readonly string[] | undefined,
  now: number,
): Result<Change> {
  const environment = findEnvironment(state, name, allowed);
  if (!environment.ok) return environment;
  const row = state.sql.change(id);
  return row?.environment === environment.value.seq
    ? ok(changeView(state, row, now))
    : changeNotFound(name, id);
}

function changeNotFound(environment: string, id: string) {
  return fail("change_not_found", `environment \`${environment}\` has no change \`${id.slice(0, 80)}\``);
}

/** A change as the API answers it. */
function changeView(state: ServiceState, row: ChangeRow, now: number): Change {
  const request = requestOf(row);
  const { tokenId, tokenName } = requesterOf(row);
  const revision = state.environments.withSeq(row.environment)?.revision ?? null;
  return {
    id: row.id,
    environment: row.environment_name,
    kind: request.kind,
    state: changeState(row, revision, now),
    digest: row.digest,
    revision: row.revision,
    requested_by: { token_id: tokenId, token_name: tokenName },
    ...("note" in request && request.note !== undefined ? { note: request.note } : {}),
    forced: "force" in request && request.force === true,
    approvals: approvalsOf(row).map((approval) => ({
      token_id: approval.tokenId,
      token_name: approval.tokenName,
      at: isoTime(approval.at),
      ...(approval.note === undefined ? {} : { note: approval.note }),
    })),
    approvals_needed: row.needed,
    created_at: isoTime(row.at),
    expires_at: isoTime(row.at + changeOpenMs),
    ...(row.ended_at === null ? {} : { ended_at: isoTime(row.ended_at) }),
    ...(row.outcome === null ? {} : { outcome: row.outcome }),
  };
}
