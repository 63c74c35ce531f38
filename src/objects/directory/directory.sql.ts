import type { Database, Migration } from "../database.ts";
import type { PlacedService } from "../rpc-types.ts";

export const directoryMigrations: readonly Migration[] = [
  {
    name: "codes",
    sql: "CREATE TABLE codes (code TEXT PRIMARY KEY, account TEXT NOT NULL, service TEXT NOT NULL) WITHOUT ROWID",
  },
  {
    name: "accounts",
    sql: `
      CREATE TABLE accounts (name TEXT PRIMARY KEY) WITHOUT ROWID;
      -- One row, once it is decided: until when there may be accounts that are not in the table.
      CREATE TABLE older_accounts (until INTEGER NOT NULL);
    `,
  },
  {
    name: "the storage check",
    sql: "CREATE TABLE storage_check (id INTEGER PRIMARY KEY CHECK (id = 1), filling BLOB NOT NULL)",
  },
  {
    name: "where services are",
    sql: "ALTER TABLE codes ADD COLUMN location TEXT NOT NULL DEFAULT 'auto'",
  },
];

export function directorySql(db: Database) {
  return {
    owner: (code: string) =>
      db.first<Pick<PlacedService, keyof PlacedService>>(
        "SELECT account, service, location FROM codes WHERE code = ?",
        code,
      ),
    insert: (code: string, { account, service, location }: PlacedService) =>
      db.run(
        "INSERT INTO codes (code, account, service, location) VALUES (?, ?, ?, ?)",
        code,
        account,
        service,
        location,
      ),
    release: (code: string, account: string, service: string) =>
      db.run("DELETE FROM codes WHERE code = ? AND account = ? AND service = ?", code, account, service),
    writeCheck: (bytes: number) =>
      db.run(
        `INSERT INTO storage_check (id, filling) VALUES (1, randomblob(?))
         ON CONFLICT (id) DO UPDATE SET filling = excluded.filling`,
        bytes,
      ),
    owners: () =>
      db.all<{ account: string }>("SELECT DISTINCT account FROM codes").map(({ account }) => account),
    hasAccount: (name: string) => db.first("SELECT 1 FROM accounts WHERE name = ?", name) !== undefined,
    /** @returns whether it is new */
    addAccount: (name: string) =>
      db.run("INSERT INTO accounts (name) VALUES (?) ON CONFLICT DO NOTHING", name),
    olderAccountsUntil: () => db.first<{ until: number }>("SELECT until FROM older_accounts")?.until ?? null,
    setOlderAccountsUntil: (until: number) => db.run("INSERT INTO older_accounts (until) VALUES (?)", until),
  };
}
