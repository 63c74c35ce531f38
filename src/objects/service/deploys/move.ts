import { areMet } from "../../../domain/deploys/gates.ts";
import type { Judgement } from "../../../domain/deploys/protection.ts";
import { candidatesKept, rejectionsKept } from "../../../domain/limits.ts";
import { type Pin, pinText, storedPin } from "../../../domain/pins/pin.ts";
import type { PinAnswer } from "../../../protocol/v3/services.ts";
import type { Caller, RegistryCaller } from "../../contract.ts";
import { settingsOf } from "../environment-index.ts";
import { recordEvent } from "../feed/event-outbox.ts";
import { movedNow } from "../pins/announce.ts";
import { unfollowedView } from "../pins/environments.ts";
import { addRevision, type Change } from "../pins/revisions.ts";
import type { EnvironmentRow, ServiceRow } from "../sql/service.sql.ts";
import type { ServiceState } from "../state.ts";
import { judgePush } from "./judge.ts";
import type { Move } from "./requests.ts";

/** Where a change is carried out, and for whom. */
export interface Carrying<By extends Caller | RegistryCaller = Caller> {
  state: ServiceState;
  service: ServiceRow;
  caller: By;
  /** Milliseconds since the epoch. */
  now: number;
  /** Names of those who approved. */
  approvedBy?: readonly string[];
}

/** Moves an environment as it was judged. Whoever calls it has asked whether it may. */
export function carryOutMove(at: Carrying, row: EnvironmentRow, move: Move, judgement: Judgement): PinAnswer {
  const note = move.note === undefined ? {} : { note: move.note };
  const marks = { ...note, gates: passage(judgement), forced: judgement.forced };
  switch (move.kind) {
    case "pin":
      return moveEnvironment(at, row, storedPin(move.image), move.digest, { kind: "pin", ...marks });
    case "promote": {
      const pin: Pin = { kind: "digest", digest: move.digest };
      const from = { source: move.from, sourceTag: move.tag };
      return moveEnvironment(at, row, pin, move.digest, { kind: "promote", ...marks, ...from });
    }
    case "rollback":
      return rollBack(at, row, move, marks);
    case "follow":
      return follow(at, row, move, marks);
  }
}

/** How a digest came past the gates of its environment; null where it met none. */
function passage({ gates, forced }: Judgement): "passed" | "forced" | null {
  if (gates.length === 0) return null;
  if (areMet(gates)) return "passed";
  return forced === null ? null : "forced";
}

type Marks = Omit<Change, "kind" | "from">;

function rollBack(
  at: Carrying,
  row: EnvironmentRow,
  { to, digest }: Extract<Move, { kind: "rollback" }>,
  marks: Marks,
): PinAnswer {
  const { state, now } = at;
  const { actor } = at.caller;
  const isRejected = row.digest !== null && row.digest !== digest;
  if (isRejected) {
    state.sql.putRejection(
      {
        environment: row.seq,
        digest: row.digest ?? "",
        note: marks.note ?? null,
        token_id: actor.tokenId,
        token_name: actor.tokenName,
        at: now,
      },
      rejectionsKept,
    );
  }
  // Somebody decided that it may run here: it is rejected no more.
  state.sql.deleteRejection(row.seq, digest);
  const pin = storedPin(row.image);
  const followed = pin.kind === "tag" ? pin.tag : row.followed;
  const answer = moveEnvironment(at, row, { kind: "digest", digest }, digest, {
    kind: "rollback",
    ...marks,
    unfollowed: pin.kind === "tag" ? pin.tag : null,
    followed,
  });
  return {
    ...answer,
    to_revision: to,
    rejected: isRejected ? row.digest : null,
    unfollowed: followed === null ? null : unfollowedView(state, followed),
  };
}

/** Follows a tag again. What it stands on comes in as by a push: where that is held back, the environment stays on what it runs. */
function follow(
  at: Carrying,
  row: EnvironmentRow,
  { tag, digest }: Extract<Move, { kind: "follow" }>,
  marks: Marks,
): PinAnswer {
  const pin: Pin = { kind: "tag", tag };
  const held = digest === null || digest === row.digest ? null : heldBack(at, row, digest);
  const answer = moveEnvironment(at, row, pin, held === null ? (digest ?? row.digest) : row.digest, {
    kind: "follow",
    ...marks,
  });
  if (held !== null && digest !== null) addCandidate(at, row, { tag, digest }, held);
  return answer;
}

/** What keeps a push from moving an environment: a code, and a sentence; null where nothing does. */
export function heldBack(
  { state, caller, now }: Carrying<Caller | RegistryCaller>,
  row: EnvironmentRow,
  digest: string,
): { code: string; message: string } | null {
  const judgement = judgePush(state, row, digest, caller.actor, now);
  const [first] = judgement.refusals;
  if (first) return first;
  if (settingsOf(row).follow === "candidate") {
    return { code: "candidate", message: `environment \`${row.name}\` takes over no push by itself` };
  }
  if (judgement.approvals === 0) return null;
  return {
    code: "approval_required",
    message: `a change of environment \`${row.name}\` needs ${judgement.approvals} approvals`,
  };
}

function addCandidate(
  { state, service, caller, now }: Carrying<Caller | RegistryCaller>,
  row: EnvironmentRow,
  { tag, digest }: { tag: string; digest: string },
  why: { code: string; message: string },
): void {
  const { actor } = caller;
  state.sql.putCandidate(
    {
      environment: row.seq,
      digest,
      tag,
      reason: why.code,
      message: why.message,
      token_id: actor?.tokenId ?? "",
      token_name: actor?.tokenName ?? "",
      at: now,
    },
    candidatesKept,
  );
  const details = { tag, digest, reason: why.code };
  recordEvent(
    state,
    { type: "candidate.added", actor, service: service.name, environment: row.name, details },
    now,
  );
}

/** Moves the environments that follow a tag to what was pushed with it, but where that is held back: there it becomes a candidate. */
export function acceptPush(
  at: Carrying<Caller | RegistryCaller>,
  { tag, digest }: { tag: string; digest: string },
): void {
  for (const row of at.state.environments.on(tag)) {
    if (row.digest === digest) continue;
    const held = heldBack(at, row, digest);
    if (held === null) moveEnvironment(at, row, storedPin(row.image), digest, { kind: "push" });
    else addCandidate(at, row, { tag, digest }, held);
  }
}

/** Moves an environment: its row, its revision with the event, and what waited there. Everything that moves one comes through here. */
function moveEnvironment(
  at: Carrying<Caller | RegistryCaller>,
  before: EnvironmentRow,
  pin: Pin,
  digest: string | null,
  { followed = null, ...change }: Omit<Change, "from"> & { followed?: string | null },
): PinAnswer {
  const { state, service, caller, now, approvedBy } = at;
  const revision = before.revision + 1;
  const isNew = digest !== before.digest;
  const after: EnvironmentRow = {
    ...before,
    image: pinText(pin),
    digest,
    revision,
    followed,
    ...(isNew ? { ...movedNow(state, caller, now), stay: revision, since: now } : {}),
  };
  state.sql.setPin(after);
  const approved = approvedBy === undefined ? {} : { approvedBy };
  addRevision(state, service, after, { ...change, ...approved, from: before.digest }, caller, now);
  const answered = { image: after.image, digest, revision };
  const previous = { image: before.image, digest: before.digest, revision: before.revision };
  return { environment: before.name, ...answered, previous };
}
