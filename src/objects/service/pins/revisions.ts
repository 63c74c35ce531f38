import type { Scope } from "../../../domain/credentials/access.ts";
import { revisionsKept } from "../../../domain/limits.ts";
import type { RevisionKind } from "../../../domain/pins/revision.ts";
import type { Result } from "../../../domain/result.ts";
import { isoTime } from "../../../protocol/primitives.ts";
import type { ListQuery, Page } from "../../../protocol/v3/list.ts";
import type { Revision } from "../../../protocol/v3/services.ts";
import type { Caller, RegistryCaller } from "../../contract.ts";
import { newestFirst, pageOf } from "../../page.ts";
import { recordEvent } from "../feed/event-outbox.ts";
import type { RevisionRow } from "../sql/revisions.sql.ts";
import type { EnvironmentRow, ServiceRow } from "../sql/service.sql.ts";
import type { ServiceState } from "../state.ts";
import { findEnvironment } from "./find-environment.ts";

/** How a revision comes about. */
export interface Change {
  kind: RevisionKind;
  note?: string;
  /** What the environment resolved to before. */
  from: string | null;
  /** How its digest came past the gates; null where there were none. */
  gates?: "passed" | "forced" | null;
  /** Codes of what `force` has overridden. */
  forced?: readonly string[] | null;
  /** Of a promotion: the environment that it comes from, and the tag that that one follows. */
  source?: string;
  sourceTag?: string | null;
  /** Of a rollback: the tag that was followed until then. */
  unfollowed?: string | null;
  approvedBy?: readonly string[];
}

/**
 * Records what an environment's row says now as its newest revision, with its event, and announces it to the cluster
 * where it resolves to another digest than before. An environment's creation has an event of its own.
 */
export function addRevision(
  state: ServiceState,
  service: ServiceRow,
  row: EnvironmentRow,
  change: Change,
  caller: Caller | RegistryCaller,
  now: number,
): void {
  const { actor } = caller;
  const { kind, note, from, gates = null, source = null, unfollowed = null } = change;
  state.sql.insertRevision(
    {
      environment: row.seq,
      revision: row.revision,
      image: row.image,
      digest: row.digest,
      kind,
      token_id: actor?.tokenId ?? "",
      token_name: actor?.tokenName ?? "",
      note: note ?? null,
      at: now,
      gates,
      source,
      unfollowed,
    },
    revisionsKept,
  );
  if (row.digest === null) return;
  if (kind !== "create") {
    const { image, digest, revision } = row;
    const details = { kind, image, digest, revision, ...eventExtras(change) };
    recordEvent(
      state,
      { type: "environment.pinned", actor, service: service.name, environment: row.name, details },
      now,
    );
  }
  if (row.digest !== from) state.announcements.moved(row.seq);
  if (row.digest !== from) state.drains.moved(row, now);
}

/** What an event says of a revision beside what it resolves to. */
function eventExtras({ note, forced, source, sourceTag, unfollowed, approvedBy }: Change) {
  return {
    ...(note === undefined ? {} : { note }),
    ...(forced ? { forced: [...forced] } : {}),
    ...(source === undefined ? {} : { from: source }),
    ...(sourceTag ? { tag: sourceTag } : {}),
    ...(unfollowed ? { unfollowed } : {}),
    ...(approvedBy === undefined ? {} : { approved_by: [...approvedBy] }),
  };
}

/** A page of an environment's revisions, newest first. */
export function history(
  state: ServiceState,
  name: string,
  query: ListQuery,
  allowed: Scope["environments"],
): Result<Page<Revision>> {
  const row = findEnvironment(state, name, allowed);
  if (!row.ok) return row;
  return pageOf(query, newestFirst, {
    read: (from, atMost) => state.sql.revisionsBeyond(row.value.seq, from, atMost),
    keyOf: ({ revision }) => revision,
    item: (revision) => shownRevision(state, revision),
  });
}

/** A revision as the API answers it. @param isReturnable whether its image is still there */
export function revisionView(row: RevisionRow, isReturnable: boolean): Revision {
  return {
    revision: row.revision,
    image: row.image,
    digest: row.digest,
    kind: row.kind,
    by: byOf(row),
    at: isoTime(row.at),
    ...(row.note === null ? {} : { note: row.note }),
    ...(row.source === null ? {} : { from: row.source }),
    ...(row.gates === null ? {} : { gates: row.gates }),
    ...(row.unfollowed === null ? {} : { unfollowed: row.unfollowed }),
    returnable: isReturnable,
  };
}

/** The same of a revision of this service. */
export function shownRevision(state: ServiceState, row: RevisionRow): Revision {
  return revisionView(row, row.digest !== null && state.imageIndex().hasDigest(row.digest));
}

/** Whose token it was, as a row says; null where that is not known. */
export function byOf({ token_id, token_name }: Pick<RevisionRow, "token_id" | "token_name">): Revision["by"] {
  return token_id === "" ? null : { token_id, token_name };
}
