import type { Migration } from "../../database.ts";

export const noticesMigration: Migration = {
  name: "notifications of other registries",
  sql: `
    CREATE TABLE notices (
      seq INTEGER PRIMARY KEY,
      id TEXT NOT NULL UNIQUE
    );
    ALTER TABLE tags DROP COLUMN claimed_at;
    ALTER TABLE tags ADD COLUMN order_at INTEGER; -- of the push that it stands on; null where it has no order
    ALTER TABLE tags ADD COLUMN order_repository TEXT;
  `,
};
