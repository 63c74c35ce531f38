import type { EventFilter, EventType } from "../../../domain/events.ts";
import type { Database, Migration } from "../../database.ts";

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

export type EventRow = {
  seq: number;
  id: string;
  at: number;
  type: EventType;
  service: string | null;
  environment: string | null;
  cluster: string | null;
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
    insertEvent: (row: Omit<EventRow, "seq">) =>
      db.run(
        `INSERT INTO events (id, at, type, service, environment, cluster, event) VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (id) DO NOTHING`,
        row.id,
        row.at,
        row.type,
        row.service,
        row.environment,
        row.cluster,
        row.event,
      ),
    /** Those older than an event, newest first. */
    eventsBefore: (id: string, limit: number, filter: EventFilter) =>
      db.all<EventRow>(
        `SELECT * FROM events WHERE id < ?1 AND ${filtered} ORDER BY id DESC LIMIT ?2`,
        id,
        limit,
        ...valuesOf(filter),
      ),
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
    /** The oldest and how many there are, by the order of recording, which has no gaps but at its beginning. */
    eventsKept: () =>
      db.first<{ at: number; count: number }>(
        "SELECT at, (SELECT max(seq) FROM events) - seq + 1 AS count FROM events ORDER BY seq LIMIT 1",
      ),
    /** Deletes the first recorded ones, at most so many: those that are too old, and those that are too many. */
    trimEvents: (recordedBefore: number, kept: number, atOnce: number) =>
      db.run(
        `DELETE FROM events WHERE seq IN (
           SELECT seq FROM events WHERE at <= ?1 OR seq <= (SELECT max(seq) FROM events) - ?2 ORDER BY seq LIMIT ?3)`,
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
