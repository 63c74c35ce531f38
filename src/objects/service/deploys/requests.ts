import { chooseRollback, type RollbackTo } from "../../../domain/deploys/rollback.ts";
import { revisionsKept } from "../../../domain/limits.ts";
import { digestPattern } from "../../../domain/pins/images.ts";
import { parsePin, pinText, resolvePin, storedPin } from "../../../domain/pins/pin.ts";
import { fail, ok, type Result } from "../../../domain/result.ts";
import type { PatchEnvironmentBody } from "../../../protocol/v3/services.ts";
import type { MoveRequest } from "../contract.ts";
import { settingsOf } from "../environment-index.ts";
import { findEnvironment } from "../pins/find-environment.ts";
import type { RevisionRow } from "../sql/revisions.sql.ts";
import type { EnvironmentRow } from "../sql/service.sql.ts";
import type { ServiceState } from "../state.ts";

interface Why {
  note?: string;
  force?: boolean;
}

/** A move of an environment that is resolved: what it brings in is fixed. It is what waits for approval, as JSON. */
export type Move = Why &
  (
    | { kind: "pin"; image: string; digest: string }
    | { kind: "promote"; from: string; digest: string; tag: string | null }
    | { kind: "rollback"; to: number; digest: string; isReturn: boolean }
    /** `digest`: what the tag stands on; null where the environment is not moved to it. */
    | { kind: "follow"; tag: string; digest: string | null }
  );

/** Another change of an environment. */
export type Amendment =
  | { kind: "settings"; patch: PatchEnvironmentBody }
  | { kind: "delete" }
  /** A stop is taken back. */
  | { kind: "unstop" };

/** Any of them. */
export type ChangeRequest = Move | Amendment;

/** Resolves what somebody requests to what it means at this moment. */
export function resolveMove(
  state: ServiceState,
  row: EnvironmentRow,
  request: MoveRequest,
  allowed?: readonly string[],
): Result<Move> {
  const why = {
    ...(request.note === undefined ? {} : { note: request.note }),
    ...(request.force === undefined ? {} : { force: request.force }),
  };
  switch (request.kind) {
    case "pin": {
      const pin = parsePin(request.image);
      if (!pin.ok) return pin;
      const resolved = resolvePin(pin.value, state.imageIndex());
      if (!resolved.ok) return resolved;
      return ok({ kind: "pin", ...why, image: pinText(pin.value), digest: resolved.value.digest });
    }
    case "promote":
      return resolvePromotion(state, row, { ...request, why }, allowed);
    case "rollback":
      return resolveRollback(state, row, request.to ?? "previous", why);
    case "follow":
      return resolveFollow(state, row, request.tag, why);
  }
}

function resolvePromotion(
  state: ServiceState,
  row: EnvironmentRow,
  { from, digest: expected, why }: { from: string; digest?: string; why: Why },
  allowed?: readonly string[],
): Result<Move> {
  const source = findEnvironment(state, from, allowed);
  if (!source.ok) return source;
  if (from === row.name) return fail("bad_request", "an environment is not promoted to itself");
  const { digest, image } = source.value;
  if (digest === null) return fail("image_not_found", `environment \`${from}\` resolves to no image yet`);
  if (expected !== undefined && expected !== digest) {
    return fail("candidate_moved", `environment \`${from}\` resolves to ${digest} now, not to ${expected}`, {
      details: { digest, revision: source.value.revision },
    });
  }
  const pin = storedPin(image);
  return ok({ kind: "promote", ...why, from, digest, tag: pin.kind === "tag" ? pin.tag : null });
}

function resolveRollback(state: ServiceState, row: EnvironmentRow, to: RollbackTo, why: Why): Result<Move> {
  const { min_ready: minReady = 1 } = settingsOf(row).gates ?? {};
  const chosen = chooseRollback(to, {
    environment: row.name,
    digest: row.digest,
    revisions: revisionsOf(state, row),
    isRejected: (digest) => state.isRejected(row.seq, digest),
    isVerified: (past) => past.gates === "passed" || state.arms.readyOn(row, past.digest) >= minReady,
  });
  if (!chosen.ok) return chosen;
  const { revision, digest } = chosen.value;
  const resolved = resolvePin({ kind: "digest", digest }, state.imageIndex());
  if (!resolved.ok) return resolved;
  return ok({
    kind: "rollback",
    ...why,
    to: revision,
    digest,
    isReturn: isReturn(state, row, digest, revision),
  });
}

const revisionsReadAtOnce = 50;

/** The newest first, read as far as they are looked at. The present one is among them. */
function* revisionsOf(state: ServiceState, { seq, revision }: EnvironmentRow): Iterable<RevisionRow> {
  for (let before = revision + 1; before > revision - revisionsKept; ) {
    const rows = state.sql.revisionsBefore(seq, before, revisionsReadAtOnce);
    yield* rows;
    const last = rows.at(-1);
    if (!last || rows.length < revisionsReadAtOnce) return;
    before = last.revision;
  }
}

/** Whether a digest is older here than what the environment resolves to, and sessions became ready on it here. */
function isReturn(state: ServiceState, row: EnvironmentRow, digest: string, revision: number): boolean {
  if (row.digest === null) return false;
  const firstOf = (of: string) => state.sql.protectionOf(row.seq, of)?.first;
  const isOlder = (firstOf(digest) ?? revision) < (firstOf(row.digest) ?? row.stay);
  return isOlder && state.arms.readyOn(row, digest) > 0;
}

/** The tag that is to be followed: one that is named, or what was followed until a rollback. It may stand on what was rejected. */
function resolveFollow(
  state: ServiceState,
  row: EnvironmentRow,
  named: string | undefined,
  why: Why,
): Result<Move> {
  const pin = storedPin(row.image);
  const tag = named ?? (pin.kind === "tag" ? pin.tag : row.followed);
  if (tag === null) {
    return fail(
      "bad_request",
      `environment \`${row.name}\` has not followed a tag; name the \`tag\` that it is to follow`,
    );
  }
  if (digestPattern.test(tag)) return fail("bad_request", "a tag is followed, and no digest");
  const resolved = resolvePin({ kind: "tag", tag }, state.imageIndex());
  if (!resolved.ok) return resolved;
  return ok({ kind: "follow", ...why, tag, digest: resolved.value.digest });
}
