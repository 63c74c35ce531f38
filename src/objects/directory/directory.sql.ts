import type { Database, Migration } from "../database.ts";

export const directoryMigrations: readonly Migration[] = [
  {
    name: "codes",
    sql: "CREATE TABLE codes (code TEXT PRIMARY KEY, account TEXT NOT NULL, service TEXT NOT NULL) WITHOUT ROWID",
  },
];

export function directorySql(db: Database) {
  return {
    owner: (code: string) =>
      db.first<{ account: string; service: string }>(
        "SELECT account, service FROM codes WHERE code = ?",
        code,
      ),
    insert: (code: string, account: string, service: string) =>
      db.run("INSERT INTO codes (code, account, service) VALUES (?, ?, ?)", code, account, service),
  };
}
