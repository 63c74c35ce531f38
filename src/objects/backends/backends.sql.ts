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
    backend: (id: string) => db.first<BackendRow>("SELECT * FROM backends WHERE id = ?", id),
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
    endedBackends: () => db.all<BackendRow>("SELECT * FROM backends WHERE ended_at IS NOT NULL"),
    deleteEndedBefore: (time: number) => db.run("DELETE FROM backends WHERE ended_at <= ?", time),
    firstEnd: () => db.first<{ at: number | null }>("SELECT min(ended_at) AS at FROM backends")?.at ?? null,
  };
}
