import type { Scope } from "../../../domain/credentials/access.ts";
import { resolvedRevisionsProtected, revisionsKept } from "../../../domain/limits.ts";
import { type PinHistory, storedPin } from "../../../domain/pins/pin.ts";
import { ok, type Result } from "../../../domain/result.ts";
import { isoTime } from "../../../protocol/primitives.ts";
import type { ListQuery, Page } from "../../../protocol/v3/list.ts";
import type { Revision } from "../../../protocol/v3/services.ts";
import type { Actor } from "../../contract.ts";
import { pageStart, toPage } from "../../page.ts";
import type { RevisionRow } from "../sql/revisions.sql.ts";
import type { EnvironmentRow } from "../sql/service.sql.ts";
import type { ServiceState } from "../state.ts";
import { findEnvironment } from "./find-environment.ts";

/** Records the pin that an environment's row holds now as its newest revision, with what it resolves to. */
export function addRevision(
  state: ServiceState,
  row: EnvironmentRow,
  { kind, note }: { kind: RevisionRow["kind"]; note?: string },
  actor: Actor,
  now: number,
): void {
  state.sql.insertRevision(
    {
      environment: row.seq,
      revision: row.revision,
      image: row.image,
      digest: state.digestOf(row),
      kind,
      token_id: actor.tokenId,
      token_name: actor.tokenName,
      note: note ?? null,
      at: now,
    },
    revisionsKept,
  );
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
  const start = pageStart(query);
  if (!start.ok) return start;
  const rows = state.sql.revisionsBefore(row.value.seq, start.value, query.limit + 1);
  return ok(toPage(rows, query.limit, ({ revision }) => revision, revisionView));
}

/** An environment's pin, with as many revisions as it protects digests by. */
export function pinHistory(state: ServiceState, row: EnvironmentRow): PinHistory {
  return {
    environment: row.name,
    pin: storedPin(row.image),
    revisions: state.sql.revisionsBefore(row.seq, row.revision + 1, resolvedRevisionsProtected),
  };
}

/** A revision as the API answers it. */
export function revisionView(row: RevisionRow): Revision {
  return {
    revision: row.revision,
    image: row.image,
    digest: row.digest,
    kind: row.kind,
    by: { token_id: row.token_id, token_name: row.token_name },
    at: isoTime(row.at),
    ...(row.note === null ? {} : { note: row.note }),
  };
}
