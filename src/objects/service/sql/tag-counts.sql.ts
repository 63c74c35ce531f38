import type { Migration } from "../../database.ts";
import type { TagTable } from "./images.sql.ts";

/** Keeps the count of a table's tags. Most have few beside them: of these none is kept, so that their pushes write no row more. */
function countedBy(table: TagTable): string {
  const added = `
    UPDATE many_tags SET tags = tags + 1 WHERE digest = new.digest AND kind = '${table}';
    INSERT INTO many_tags (digest, kind, tags)
      SELECT new.digest, '${table}', 101
      WHERE NOT EXISTS (SELECT 1 FROM many_tags WHERE digest = new.digest AND kind = '${table}')
        AND (SELECT count(*) FROM (SELECT 1 FROM ${table} WHERE digest = new.digest LIMIT 102)) = 101;`;
  const removed = `
    UPDATE many_tags SET tags = tags - 1 WHERE digest = old.digest AND kind = '${table}';
    DELETE FROM many_tags WHERE digest = old.digest AND kind = '${table}' AND tags <= 100;`;
  return `
    INSERT INTO many_tags (digest, kind, tags)
      SELECT digest, '${table}', count(*) FROM ${table} GROUP BY digest HAVING count(*) > 100;
    CREATE TRIGGER ${table}_counted AFTER INSERT ON ${table} BEGIN ${added} END;
    CREATE TRIGGER ${table}_counted_off AFTER DELETE ON ${table} BEGIN ${removed} END;
    CREATE TRIGGER ${table}_counted_anew AFTER UPDATE OF digest ON ${table} WHEN new.digest != old.digest
      BEGIN ${added} ${removed} END;
  `;
}

export const tagCountsMigration: Migration = {
  name: "how many tags an image has",
  sql: `
    CREATE TABLE many_tags ( -- of images with more than 100
      digest TEXT NOT NULL,
      kind TEXT NOT NULL, -- the table that they are in
      tags INTEGER NOT NULL,
      PRIMARY KEY (digest, kind)
    ) WITHOUT ROWID;
    ${countedBy("tags")}
    ${countedBy("artifact_tags")}
  `,
};
