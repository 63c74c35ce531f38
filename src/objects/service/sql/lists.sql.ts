import type { Database } from "../../database.ts";
import { keyset, namesBeyond, valuesBeyond } from "../../keyset.sql.ts";
import type { Position } from "../../page.ts";
import type { ImageRow, TagRow } from "./images.sql.ts";

/** Pages of what a service has: rows beyond a position, the nearest first. */
export function listsReads(db: Pick<Database, "all">) {
  return {
    imagesBeyond: ({ key, leadsBack }: Position<number>, limit: number) => {
      const { past, order } = keyset("seq", leadsBack);
      return db.all<ImageRow>(
        `SELECT * FROM images WHERE ${past} AND artifact_type IS NULL ORDER BY ${order} LIMIT ?2`,
        key,
        limit,
      );
    },
    /** Of those that begin with a text, in the order of their names. @param from an empty key: at either end */
    tagsBeyond: (prefix: string, from: Pick<Position<string>, "key" | "leadsBack">, limit: number) => {
      const { within, order } = namesBeyond("tag", from.leadsBack);
      return db.all<TagRow>(
        `SELECT tag, digest FROM tags WHERE ${within} ORDER BY ${order} LIMIT ?4`,
        ...valuesBeyond(prefix, from),
        limit,
      );
    },
    /** The same of digests. */
    digestsBeyond: (prefix: string, from: Pick<Position<string>, "key" | "leadsBack">, limit: number) => {
      const { within, order } = namesBeyond("digest", from.leadsBack);
      return db.all<Pick<ImageRow, "digest">>(
        `SELECT digest FROM images WHERE ${within} AND artifact_type IS NULL ORDER BY ${order} LIMIT ?4`,
        ...valuesBeyond(prefix, from),
        limit,
      );
    },
    /** The first tag of a digest, by name, that begins with a text. */
    firstTagFrom: (digest: string, prefix: string) =>
      db.all<{ tag: string }>(
        "SELECT tag FROM tags WHERE digest = ?4 AND tag >= ?1 AND tag < ?2 AND tag != ?3 ORDER BY tag LIMIT 1",
        ...valuesBeyond(prefix, { key: "", leadsBack: false }),
        digest,
      )[0]?.tag,
  };
}
export type ListsReads = ReturnType<typeof listsReads>;
