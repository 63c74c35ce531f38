import type { Database, Migration } from "../../database.ts";

export const eventOutboxMigration: Migration = {
  name: "events for the account",
  sql: `
    CREATE TABLE event_outbox (
      id TEXT PRIMARY KEY,
      event TEXT NOT NULL -- JSON: AccountEvent
    ) WITHOUT ROWID;
  `,
};

/** Events that the account has not taken yet. */
export function eventOutboxReads(db: Pick<Database, "all">) {
  return {
    queuedEvents: (limit: number) =>
      db.all<{ id: string; event: string }>("SELECT id, event FROM event_outbox ORDER BY id LIMIT ?", limit),
  };
}
export type EventOutboxReads = ReturnType<typeof eventOutboxReads>;

export function eventOutboxWrites(db: Pick<Database, "run">) {
  return {
    queueEvent: (id: string, event: string) =>
      db.run("INSERT INTO event_outbox (id, event) VALUES (?, ?)", id, event),
    dropQueuedEvents: (ids: readonly string[]) =>
      db.run("DELETE FROM event_outbox WHERE id IN (SELECT value FROM json_each(?))", JSON.stringify(ids)),
  };
}
export type EventOutboxWrites = ReturnType<typeof eventOutboxWrites>;
