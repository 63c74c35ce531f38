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
export function eventOutboxSql(db: Pick<Database, "all" | "run">) {
  return {
    queueEvent: (id: string, event: string) => db.run("INSERT INTO event_outbox VALUES (?, ?)", id, event),
    queuedEvents: (limit: number) =>
      db.all<{ id: string; event: string }>("SELECT id, event FROM event_outbox ORDER BY id LIMIT ?", limit),
    dropQueuedEvents: (ids: readonly string[]) =>
      db.run("DELETE FROM event_outbox WHERE id IN (SELECT value FROM json_each(?))", JSON.stringify(ids)),
  };
}
export type EventOutboxSql = ReturnType<typeof eventOutboxSql>;
