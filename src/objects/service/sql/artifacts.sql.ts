import type { Migration } from "../../database.ts";

/** What was recorded before it was known counts as an image. */
export const artifactsMigration: Migration = {
  name: "what cannot be run",
  sql: `
    ALTER TABLE images ADD COLUMN artifact_type TEXT; -- what it is instead of an image; null: an image
    CREATE TABLE artifact_tags ( -- tags whose latest push is of no image; where a tag has an image too, that is in tags
      tag TEXT PRIMARY KEY,
      digest TEXT NOT NULL,
      order_at INTEGER, -- as in tags
      order_repository TEXT
    ) WITHOUT ROWID;
    CREATE TRIGGER artifact_tag_added AFTER INSERT ON artifact_tags
      BEGIN UPDATE holdings SET used = used + 1, claimed = max(claimed, used + 1) WHERE quota = 'tags'; END;
    CREATE TRIGGER artifact_tag_deleted AFTER DELETE ON artifact_tags
      BEGIN UPDATE holdings SET used = used - 1 WHERE quota = 'tags'; END;
  `,
};
