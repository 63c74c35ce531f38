import type { EndedFrom } from "../../domain/backends/ended-pages.ts";
import type { Database, Migration } from "../database.ts";

export const backendsMigrations: readonly Migration[] = [
  {
    name: "backends",
    sql: `
      CREATE TABLE backends (
        id TEXT PRIMARY KEY,
        info TEXT NOT NULL, -- JSON: BackendInfo
        history TEXT NOT NULL, -- JSON: StatusEntry[]
        base_url TEXT,
        ended_at INTEGER
      ) WITHOUT ROWID;
    `,
  },
  {
    name: "ended backends by the time of their end",
    sql: `
      ALTER TABLE backends ADD COLUMN fencing_token INTEGER
        GENERATED ALWAYS AS (json_extract(info, '$.fencingToken')) VIRTUAL;
      CREATE INDEX ended_backends ON backends (ended_at, fencing_token) WHERE ended_at IS NOT NULL;
    `,
  },
];

export type BackendRow = {
  id: string;
  info: string;
  history: string;
  base_url: string | null;
  ended_at: number | null;
};

export function backendsSql(db: Database) {
  return {
    backend: (id: string) =>
      db.first<BackendRow>("SELECT id, info, history, base_url, ended_at FROM backends WHERE id = ?", id),
    putBackend: (row: BackendRow) =>
      db.run(
        `INSERT INTO backends (id, info, history, base_url, ended_at) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE
         SET history = excluded.history, base_url = excluded.base_url, ended_at = excluded.ended_at`,
        row.id,
        row.info,
        row.history,
        row.base_url,
        row.ended_at,
      ),
    /** Ended ones beyond a position, the nearest first: those that ended before it or, leading back, after it. */
    endedBeyond: (
      { key: { endedAt, fencingToken }, leadsBack }: Pick<EndedFrom, "key" | "leadsBack">,
      limit: number,
    ) => {
      const past = leadsBack ? ">" : "<";
      const order = leadsBack ? "ended_at, fencing_token" : "ended_at DESC, fencing_token DESC";
      return db.all<BackendRow>(
        `SELECT id, info, history, base_url, ended_at FROM backends
         WHERE ended_at IS NOT NULL AND (ended_at, fencing_token) ${past} (?, ?)
         ORDER BY ${order} LIMIT ?`,
        endedAt,
        fencingToken,
        limit,
      );
    },
    /** Deletes those that ended first, at most so many, and all of the instant of the last of these. */
    deleteEndedBefore: (time: number, atOnce: number) => {
      const last = db.first<{ at: number }>(
        `SELECT ended_at AS at FROM backends WHERE ended_at IS NOT NULL AND ended_at <= ?
         ORDER BY ended_at LIMIT 1 OFFSET ?`,
        time,
        atOnce - 1,
      );
      db.run("DELETE FROM backends WHERE ended_at IS NOT NULL AND ended_at <= ?", last?.at ?? time);
    },
    isEmpty: () => db.first("SELECT 1 FROM backends LIMIT 1") === undefined,
    firstEnd: () =>
      db.first<{ at: number }>(
        "SELECT ended_at AS at FROM backends WHERE ended_at IS NOT NULL ORDER BY ended_at LIMIT 1",
      )?.at ?? null,
  };
}
