import type { Scope } from "../../../domain/credentials/access.ts";
import { resolvedRevisionsProtected, revisionsKept } from "../../../domain/limits.ts";
import type { PinHistory } from "../../../domain/pins/pin.ts";
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
import { movedNow } from "./announce.ts";
import { findEnvironment } from "./find-environment.ts";

/** How a revision comes about. */
interface Change {
  kind: RevisionKind;
  note?: string;
  /** What the environment resolved to before. */
  from: string | null;
}

/**
 * Records what an environment's row says now as its newest revision, with its event, and announces it to the cluster
 * where it resolves to another digest than before. An environment's creation has an event of its own.
 */
export function addRevision(
  state: ServiceState,
  service: ServiceRow,
  row: EnvironmentRow,
  { kind, note, from }: Change,
  caller: Caller | RegistryCaller,
  now: number,
): void {
  const { actor } = caller;
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
    },
    revisionsKept,
  );
  if (row.digest === null) return;
  if (kind !== "create") {
    const { image, digest, revision } = row;
    const details = { kind, image, digest, revision, ...(note === undefined ? {} : { note }) };
    recordEvent(
      state,
      { type: "environment.pinned", actor, service: service.name, environment: row.name, details },
      now,
    );
  }
  if (row.digest !== from) state.announcements.moved(row.seq);
  if (row.digest !== from) state.drains.moved(row, now);
}

/** Moves the environments that follow a tag to what it stands on now. */
export function followTag(
  state: ServiceState,
  service: ServiceRow,
  { tag, digest }: { tag: string; digest: string },
  caller: Caller | RegistryCaller,
  now: number,
): void {
  for (const row of state.environments.on(tag)) {
    if (row.digest === digest) continue;
    const moved = { ...row, digest, revision: row.revision + 1, ...movedNow(state, caller, now) };
    state.sql.setPin(moved);
    addRevision(state, service, moved, { kind: "push", from: row.digest }, caller, now);
  }
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
    item: revisionView,
  });
}

/** What an environment resolves to, without its revisions. */
export function currentPin({ name, digest }: EnvironmentRow): PinHistory {
  return { environment: name, digest, revisions: [] };
}

/** An environment that protects a digest by one of its revisions, where there is one: the oldest, with these. */
export function protecting(state: ServiceState, digest: string): PinHistory[] {
  return state.sql.protecting(digest, 1).flatMap(({ environment }) => {
    const row = state.environments.withSeq(environment);
    if (!row) return [];
    return [{ ...currentPin(row), revisions: state.sql.lastRevisions(row.seq, resolvedRevisionsProtected) }];
  });
}

/** A revision as the API answers it. */
export function revisionView(row: RevisionRow): Revision {
  return {
    revision: row.revision,
    image: row.image,
    digest: row.digest,
    kind: row.kind,
    by: row.token_id === "" ? null : { token_id: row.token_id, token_name: row.token_name },
    at: isoTime(row.at),
    ...(row.note === null ? {} : { note: row.note }),
  };
}
