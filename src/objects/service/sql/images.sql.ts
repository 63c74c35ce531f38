import type { PushOrder } from "../../../domain/pins/arrival.ts";
import type { Database } from "../../database.ts";

export type ImageRow = {
  seq: number;
  digest: string;
  repository: string | null;
  media_type: string | null;
  pushed_at: number;
  /** What it is where it cannot be run; null: an image. */
  artifact_type: string | null;
};

export type TagRow = { tag: string; digest: string };

export type PushRow = {
  seq: number;
  digest: string;
  tag: string | null;
  repository: string | null;
  pushed_at: number;
};

/** Tags of images, and those whose latest push was of an artifact. */
export type TagTable = "tags" | "artifact_tags";

/** Images and artifacts, the tags that stand on either, and every push of an image. */
export function imagesReads(db: Pick<Database, "all" | "first">) {
  return {
    image: (digest: string) => db.first<ImageRow>("SELECT * FROM images WHERE digest = ?", digest),
    tag: (tag: string) => db.first<TagRow>("SELECT tag, digest FROM tags WHERE tag = ?", tag),
    /** Where the latest push with this tag was of an artifact. */
    artifactTag: (tag: string) =>
      db.first<TagRow>("SELECT tag, digest FROM artifact_tags WHERE tag = ?", tag),
    artifactTagsOf: (digest: string) =>
      db.all<TagRow>("SELECT tag, digest FROM artifact_tags WHERE digest = ?", digest),
    /** The order of the push that a tag stands on; null where it has none. @param of `artifact_tags`: as a tag of artifacts */
    tagOrder: (tag: string, of: TagTable): PushOrder | null =>
      db.first<{ repository: string | null; at: number }>(
        `SELECT order_repository AS repository, order_at AS at FROM ${of} WHERE tag = ? AND order_at IS NOT NULL`,
        tag,
      ) ?? null,
    tagCountOf: (digest: string, of: TagTable) =>
      db.first<{ count: number }>(`SELECT count(*) AS count FROM ${of} WHERE digest = ?`, digest)?.count ?? 0,
    firstTagsOf: (digest: string, limit: number, of: TagTable = "tags") =>
      db.all<{ tag: string }>(`SELECT tag FROM ${of} WHERE digest = ? ORDER BY tag LIMIT ?`, digest, limit),
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
        `INSERT INTO images (seq, digest, repository, media_type, pushed_at, artifact_type)
         VALUES (1 + max((SELECT coalesce(max(seq), 0) FROM pushes), (SELECT coalesce(max(seq), 0) FROM images)),
                 ?, ?, ?, ?, ?)
         ON CONFLICT (digest) DO UPDATE SET seq = excluded.seq, repository = excluded.repository,
           media_type = excluded.media_type, pushed_at = excluded.pushed_at, artifact_type = excluded.artifact_type`,
        row.digest,
        row.repository,
        row.media_type,
        row.pushed_at,
        row.artifact_type,
      ),
    deleteImage: (digest: string) => {
      for (const table of ["images", "tags", "artifact_tags", "pushes"])
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
    setArtifactTag: (tag: string, digest: string, order: PushOrder | null) =>
      db.run(
        `INSERT INTO artifact_tags (tag, digest, order_repository, order_at) VALUES (?, ?, ?, ?)
         ON CONFLICT (tag) DO UPDATE SET digest = excluded.digest,
           order_repository = excluded.order_repository, order_at = excluded.order_at`,
        tag,
        digest,
        order?.repository ?? null,
        order?.at ?? null,
      ),
    deleteArtifactTag: (tag: string) => db.run("DELETE FROM artifact_tags WHERE tag = ?", tag),
    /** Takes the tags of a digest that turns out to be of no image from those of images. */
    setTagsApart: (digest: string) => {
      db.run(
        `INSERT INTO artifact_tags (tag, digest, order_repository, order_at)
         SELECT tag, digest, order_repository, order_at FROM tags WHERE digest = ?
         ON CONFLICT (tag) DO NOTHING`,
        digest,
      );
      db.run("DELETE FROM tags WHERE digest = ?", digest);
      db.run("DELETE FROM pushes WHERE digest = ?", digest);
    },
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
