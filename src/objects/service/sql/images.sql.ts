import type { PushOrder } from "../../../domain/pins/arrival.ts";
import type { Database } from "../../database.ts";
import type { ImageRow, PushRow, TagRow } from "./service.sql.ts";

/** Images, the tags that stand on them, and every push. */
export function imagesReads(db: Pick<Database, "all" | "first">) {
  return {
    image: (digest: string) => db.first<ImageRow>("SELECT * FROM images WHERE digest = ?", digest),
    imagesBefore: (seq: number, limit: number) =>
      db.all<ImageRow>("SELECT * FROM images WHERE seq < ? ORDER BY seq DESC LIMIT ?", seq, limit),
    tag: (tag: string) => db.first<TagRow>("SELECT tag, digest FROM tags WHERE tag = ?", tag),
    /** The order of the push that a tag stands on; null where it has none. */
    tagOrder: (tag: string): PushOrder | null =>
      db.first<{ repository: string | null; at: number }>(
        "SELECT order_repository AS repository, order_at AS at FROM tags WHERE tag = ? AND order_at IS NOT NULL",
        tag,
      ) ?? null,
    tagCountOf: (digest: string) =>
      db.first<{ count: number }>("SELECT count(*) AS count FROM tags WHERE digest = ?", digest)?.count ?? 0,
    firstTagsOf: (digest: string, limit: number) =>
      db.all<{ tag: string }>("SELECT tag FROM tags WHERE digest = ? ORDER BY tag LIMIT ?", digest, limit),
    recentTags: (limit: number) =>
      db.all<{ tag: string }>("SELECT tag FROM tags ORDER BY push DESC LIMIT ?", limit),
    recentPushes: (limit: number) => db.all<PushRow>("SELECT * FROM pushes ORDER BY seq DESC LIMIT ?", limit),
  };
}
export type ImagesReads = ReturnType<typeof imagesReads>;

export function imagesWrites(db: Pick<Database, "run">) {
  return {
    /** Records an image, or brings one that is pushed again to the top: above all that are there, and all pushes. */
    putImage: (row: Omit<ImageRow, "seq">) =>
      db.run(
        `INSERT INTO images (seq, digest, repository, media_type, pushed_at)
         VALUES (1 + max((SELECT coalesce(max(seq), 0) FROM pushes), (SELECT coalesce(max(seq), 0) FROM images)),
                 ?, ?, ?, ?)
         ON CONFLICT (digest) DO UPDATE SET seq = excluded.seq, repository = excluded.repository,
           media_type = excluded.media_type, pushed_at = excluded.pushed_at`,
        row.digest,
        row.repository,
        row.media_type,
        row.pushed_at,
      ),
    deleteImage: (digest: string) => {
      for (const table of ["images", "tags", "pushes"])
        db.run(`DELETE FROM ${table} WHERE digest = ?`, digest);
    },
    setTag: (tag: string, digest: string, order: PushOrder | null) =>
      db.run(
        `INSERT INTO tags (tag, digest, push, order_repository, order_at)
         VALUES (?, ?, (SELECT max(seq) FROM pushes), ?, ?)
         ON CONFLICT (tag) DO UPDATE SET digest = excluded.digest, push = excluded.push,
           order_repository = excluded.order_repository, order_at = excluded.order_at`,
        tag,
        digest,
        order?.repository ?? null,
        order?.at ?? null,
      ),
    /** Notes that a notification was recorded. @param kept how many stay, with this one. @returns whether it was new */
    noteNotice: (id: string, kept: number) => {
      const isNew = db.run("INSERT INTO notices (id) VALUES (?) ON CONFLICT (id) DO NOTHING", id);
      if (isNew) db.run("DELETE FROM notices WHERE seq <= (SELECT max(seq) FROM notices) - ?", kept);
      return isNew;
    },
    deleteTag: (tag: string) => db.run("DELETE FROM tags WHERE tag = ?", tag),
    /** Records the push of the image that was put last. @param kept how many of the newest stay, with this one */
    insertPush: (row: Omit<PushRow, "seq">, kept: number) => {
      db.run(
        `INSERT INTO pushes (seq, digest, tag, repository, pushed_at)
         VALUES ((SELECT max(seq) FROM images), ?, ?, ?, ?)`,
        row.digest,
        row.tag,
        row.repository,
        row.pushed_at,
      );
      db.run("DELETE FROM pushes WHERE seq <= (SELECT max(seq) FROM pushes) - ?", kept);
    },
  };
}
export type ImagesWrites = ReturnType<typeof imagesWrites>;
