import type { EventFilter, EventKind, EventType } from "../../../domain/events.ts";
import type { Database, Migration } from "../../database.ts";
import { keyset } from "../../keyset.sql.ts";
import type { Position } from "../../page.ts";

export const eventsMigration: Migration = {
  name: "account events, and who asked for the end of a cluster",
  sql: `
    ALTER TABLE clusters ADD COLUMN deleted_by TEXT; -- JSON: Actor
    CREATE TABLE events (
      seq INTEGER PRIMARY KEY, -- in the order of recording
      id TEXT NOT NULL UNIQUE, -- in the order of time
      at INTEGER NOT NULL,
      type TEXT NOT NULL,
      service TEXT,
      environment TEXT,
      cluster TEXT,
      event TEXT NOT NULL -- JSON: AccountEvent
    );
  `,
};

/** The kinds as they were when this was released (`eventKind`). */
const activityTypes =
  "'image.recorded', 'backend.terminated', 'cluster.drained', 'cluster.undrained', 'cluster.lost'";

export const eventKindsMigration: Migration = {
  name: "events of two kinds, each with a bound of its own",
  sql: `
    ALTER TABLE events ADD COLUMN kind TEXT NOT NULL DEFAULT 'deed';
    ALTER TABLE events ADD COLUMN ordinal INTEGER NOT NULL DEFAULT 0; -- of its kind, without gaps
    UPDATE events SET kind = 'activity' WHERE type IN (${activityTypes});
    UPDATE events SET ordinal = numbered.ordinal
      FROM (SELECT seq, row_number() OVER (PARTITION BY kind ORDER BY seq) AS ordinal FROM events) AS numbered
      WHERE numbered.seq = events.seq;
    CREATE UNIQUE INDEX events_by_kind ON events (kind, ordinal);
  `,
};

export type EventRow = {
  seq: number;
  id: string;
  at: number;
  type: EventType;
  service: string | null;
  environment: string | null;
  cluster: string | null;
  kind: EventKind;
  /** Its number among those of its kind, in the order of recording: without gaps, since the first ones go first. */
  ordinal: number;
  event: string;
};

/** The environment that an event is about, or names. */
const named = "coalesce(environment, json_extract(event, '$.details.default_environment'))";

const filtered = `(?3 IS NULL OR type = ?3) AND (?4 IS NULL OR service = ?4) AND (?5 IS NULL OR environment = ?5)
  AND (?6 IS NULL OR cluster = ?6)
  AND (?7 IS NULL OR ${named} IS NULL OR ${named} IN (SELECT value FROM json_each(?7)))`;

/** The values of `filtered`: the same rule as the domain's `matchesEvent`. */
function valuesOf({ type, service, environment, cluster, allowedEnvironments }: EventFilter) {
  const allowed = allowedEnvironments === undefined ? null : JSON.stringify(allowedEnvironments);
  return [type ?? null, service ?? null, environment ?? null, cluster ?? null, allowed];
}

export function eventsSql(db: Pick<Database, "all" | "first" | "run">) {
  return {
    /** An event that is there already is left as it is. */
    insertEvent: (row: Omit<EventRow, "seq" | "ordinal">) =>
      db.run(
        `INSERT INTO events (id, at, type, service, environment, cluster, event, kind, ordinal)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8,
           (SELECT coalesce(max(ordinal), 0) + 1 FROM events WHERE kind = ?8))
         ON CONFLICT (id) DO NOTHING`,
        row.id,
        row.at,
        row.type,
        row.service,
        row.environment,
        row.cluster,
        row.event,
        row.kind,
      ),
    /** Those beyond one in the order of their ids that match, newest first, of the next so many. */
    eventsBeyond: (
      { key, leadsBack }: Position<string>,
      limit: number,
      filter: EventFilter,
      lookAtMost: number,
    ) => {
      const { past, order } = keyset("id", leadsBack);
      return db.all<EventRow>(
        `SELECT * FROM (SELECT * FROM events WHERE ${past} ORDER BY ${order} LIMIT ?8) WHERE ${filtered} LIMIT ?2`,
        key,
        limit,
        ...valuesOf(filter),
        lookAtMost,
      );
    },
    /** The last of the next so many that are beyond one; undefined where there are not so many. */
    nthBeyond: ({ key, leadsBack }: Position<string>, n: number) => {
      const { past, order } = keyset("id", leadsBack);
      return db.first<{ id: string }>(
        `SELECT id FROM events WHERE ${past} ORDER BY ${order} LIMIT 1 OFFSET ?2`,
        key,
        n - 1,
      )?.id;
    },
    /** Those that were recorded after one, in that order. */
    eventsRecordedAfter: (seq: number, limit: number, filter: EventFilter) =>
      db.all<EventRow>(
        `SELECT * FROM events WHERE seq > ?1 AND ${filtered} ORDER BY seq LIMIT ?2`,
        seq,
        limit,
        ...valuesOf(filter),
      ),
    /** Where an event stands in the order of recording; of one that is kept no more, what is not newer than it. */
    eventSeq: (id: string) =>
      db.first<{ seq: number }>("SELECT seq FROM events WHERE id = ?", id)?.seq ??
      (db.first<{ seq: number | null }>("SELECT min(seq) AS seq FROM events WHERE id > ?", id)?.seq ??
        lastSeq() + 1) - 1,
    lastEventSeq: lastSeq,
    /** When the first recorded one of a kind was, and how many there are. */
    eventsKept: (kind: EventKind) =>
      db.first<{ at: number; count: number }>(
        `SELECT at, (SELECT max(ordinal) FROM events WHERE kind = ?1) - ordinal + 1 AS count
         FROM events WHERE kind = ?1 ORDER BY ordinal LIMIT 1`,
        kind,
      ),
    /** Deletes the first recorded ones of a kind, at most so many: those that are too old, and those that are too many. */
    trimEvents: (kind: EventKind, recordedBefore: number, kept: number, atOnce: number) =>
      db.run(
        `WITH first AS (SELECT ordinal, at FROM events WHERE kind = ?1 ORDER BY ordinal LIMIT ?4)
         DELETE FROM events WHERE kind = ?1 AND ordinal IN (SELECT ordinal FROM first) AND (
           ordinal <= (SELECT max(ordinal) FROM events WHERE kind = ?1) - ?3
           OR ordinal < (SELECT coalesce(min(ordinal), 1 + (SELECT max(ordinal) FROM first)) FROM first WHERE at > ?2))`,
        kind,
        recordedBefore,
        kept,
        atOnce,
      ),
    setDeletedBy: (cluster: string, actor: string) =>
      db.run("UPDATE clusters SET deleted_by = ? WHERE name = ?", actor, cluster),
    deletedBy: (cluster: string) =>
      db.first<{ actor: string | null }>("SELECT deleted_by AS actor FROM clusters WHERE name = ?", cluster)
        ?.actor ?? null,
  };

  function lastSeq(): number {
    return db.first<{ seq: number | null }>("SELECT max(seq) AS seq FROM events")?.seq ?? 0;
  }
}
export type EventsSql = ReturnType<typeof eventsSql>;
