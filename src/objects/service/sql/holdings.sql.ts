import { eachHolding, type Holdings, type ServiceQuota } from "../../../domain/quotas.ts";
import type { Database, Migration } from "../../database.ts";

/** Counted by triggers, so that no statement can forget it. */
export const holdingsMigration: Migration = {
  name: "what is held of the account's quotas",
  sql: `
    CREATE TABLE holdings (
      quota TEXT PRIMARY KEY,
      used INTEGER NOT NULL,
      claimed INTEGER NOT NULL -- the most that the account may count; where it is more than used, it is to be notified
    ) WITHOUT ROWID;
    INSERT INTO holdings (quota, used, claimed) VALUES
      ('environments', (SELECT count(*) FROM environments), 0),
      ('images', (SELECT count(*) FROM images), 0),
      ('tags', (SELECT count(*) FROM tags), 0),
      ('pin_notes', (SELECT count(*) FROM revisions WHERE note IS NOT NULL), 0);
    UPDATE holdings SET claimed = used;

    CREATE TRIGGER environment_added AFTER INSERT ON environments
      BEGIN UPDATE holdings SET used = used + 1, claimed = max(claimed, used + 1) WHERE quota = 'environments'; END;
    CREATE TRIGGER environment_deleted AFTER DELETE ON environments
      BEGIN UPDATE holdings SET used = used - 1 WHERE quota = 'environments'; END;
    CREATE TRIGGER image_added AFTER INSERT ON images
      BEGIN UPDATE holdings SET used = used + 1, claimed = max(claimed, used + 1) WHERE quota = 'images'; END;
    CREATE TRIGGER image_deleted AFTER DELETE ON images
      BEGIN UPDATE holdings SET used = used - 1 WHERE quota = 'images'; END;
    CREATE TRIGGER tag_added AFTER INSERT ON tags
      BEGIN UPDATE holdings SET used = used + 1, claimed = max(claimed, used + 1) WHERE quota = 'tags'; END;
    CREATE TRIGGER tag_deleted AFTER DELETE ON tags
      BEGIN UPDATE holdings SET used = used - 1 WHERE quota = 'tags'; END;
    CREATE TRIGGER pin_note_added AFTER INSERT ON revisions WHEN new.note IS NOT NULL
      BEGIN UPDATE holdings SET used = used + 1, claimed = max(claimed, used + 1) WHERE quota = 'pin_notes'; END;
    CREATE TRIGGER pin_note_dropped AFTER UPDATE OF note ON revisions WHEN old.note IS NOT NULL AND new.note IS NULL
      BEGIN UPDATE holdings SET used = used - 1 WHERE quota = 'pin_notes'; END;
    CREATE TRIGGER pin_note_deleted AFTER DELETE ON revisions WHEN old.note IS NOT NULL
      BEGIN UPDATE holdings SET used = used - 1 WHERE quota = 'pin_notes'; END;
  `,
};

type HoldingRow = { quota: ServiceQuota; used: number; claimed: number };

/** What a service holds of its account's quotas, and the most that the account may count of it. */
export interface Held {
  used: Holdings;
  claimed: Holdings;
}

export function holdingsReads(db: Pick<Database, "all">) {
  return {
    holdings: (): Held => {
      const rows = db.all<HoldingRow>("SELECT quota, used, claimed FROM holdings");
      const read = (column: keyof Held) =>
        eachHolding((quota) => rows.find((row) => row.quota === quota)?.[column] ?? 0);
      return { used: read("used"), claimed: read("claimed") };
    },
  };
}
export type HoldingsReads = ReturnType<typeof holdingsReads>;

export function holdingsWrites(db: Pick<Database, "run">) {
  return {
    setClaimed: (quota: ServiceQuota, claimed: number) =>
      db.run("UPDATE holdings SET claimed = ? WHERE quota = ? AND claimed != ?", claimed, quota, claimed),
  };
}
export type HoldingsWrites = ReturnType<typeof holdingsWrites>;
