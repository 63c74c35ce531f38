import type { PushOrder } from "../../../domain/pins/arrival.ts";
import type { Database, Migration } from "../../database.ts";

/** The pushes of an image are a chain, since an index of them would be a row more for each push, and for each that goes. */
export const imagesByDigestMigration: Migration = {
  name: "tags and pushes by digest",
  sql: `
    CREATE INDEX tags_digest ON tags (digest);
    ALTER TABLE tags DROP COLUMN push;
    CREATE INDEX artifact_tags_digest ON artifact_tags (digest);
    ALTER TABLE images ADD COLUMN push INTEGER; -- seq of its latest push, which may be kept no more; null: none
    ALTER TABLE pushes ADD COLUMN previous INTEGER; -- that of the same image before, likewise
    UPDATE images SET push = latest.seq
      FROM (SELECT digest, max(seq) AS seq FROM pushes GROUP BY digest) AS latest WHERE latest.digest = images.digest;
    UPDATE pushes SET previous = chain.previous
      FROM (SELECT seq, lag(seq) OVER (PARTITION BY digest ORDER BY seq) AS previous FROM pushes) AS chain
      WHERE chain.seq = pushes.seq AND chain.previous IS NOT NULL;
  `,
};

export type ImageRow = {
  seq: number;
  digest: string;
  repository: string | null;
  media_type: string | null;
  pushed_at: number;
  /** What it is where it cannot be run; null: an image. */
  artifact_type: string | null;
  /** Its latest push, which may be kept no more; null where it has none. */
  push: number | null;
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
      db.first<{ count: number }>(
        `SELECT coalesce((SELECT tags FROM many_tags WHERE digest = ?1 AND kind = '${of}'),
                         (SELECT count(*) FROM ${of} WHERE digest = ?1)) AS count`,
        digest,
      )?.count ?? 0,
    firstTagsOf: (digest: string, limit: number, of: TagTable = "tags") =>
      db.all<{ tag: string }>(`SELECT tag FROM ${of} WHERE digest = ? ORDER BY tag LIMIT ?`, digest, limit),
    /** The tags of so many of the latest pushes that images still have, the latest first; one may come twice. */
    recentTags: (pushes: number) =>
      db.all<{ tag: string }>(
        `SELECT tag FROM (SELECT tag FROM pushes ORDER BY seq DESC LIMIT ?) AS latest
         WHERE EXISTS (SELECT 1 FROM tags WHERE tags.tag = latest.tag)`,
        pushes,
      ),
    recentPushes: (limit: number) =>
      db.all<PushRow>(
        "SELECT seq, digest, tag, repository, pushed_at FROM pushes ORDER BY seq DESC LIMIT ?",
        limit,
      ),
  };
}
export type ImagesReads = ReturnType<typeof imagesReads>;

export function imagesWrites(db: Pick<Database, "run">) {
  /** Deletes the pushes of an image. @param latest the seq of the latest */
  function deletePushes(digest: string, latest: number | null): void {
    if (latest === null) return;
    db.run(
      `WITH RECURSIVE chain (seq) AS (
         SELECT ?1 UNION ALL
         SELECT pushes.previous FROM chain JOIN pushes ON pushes.seq = chain.seq
           WHERE pushes.digest = ?2 AND pushes.previous IS NOT NULL)
       DELETE FROM pushes WHERE seq IN (SELECT seq FROM chain) AND digest = ?2`,
      latest,
      digest,
    );
  }

  return {
    /**
     * Records an image, or brings one that is pushed again to the top: above all that are there, and all pushes. One that is no
     * artifact is to have a push inserted next.
     */
    putImage: (row: Omit<ImageRow, "seq" | "push">) =>
      db.run(
        `INSERT INTO images (seq, digest, repository, media_type, pushed_at, artifact_type, push)
         SELECT seq, ?1, ?2, ?3, ?4, ?5, CASE WHEN ?5 IS NULL THEN seq END
           FROM (SELECT 1 + max((SELECT coalesce(max(seq), 0) FROM pushes),
                                (SELECT coalesce(max(seq), 0) FROM images)) AS seq)
           WHERE true
         ON CONFLICT (digest) DO UPDATE SET seq = excluded.seq, repository = excluded.repository,
           media_type = excluded.media_type, pushed_at = excluded.pushed_at, artifact_type = excluded.artifact_type,
           push = excluded.push`,
        row.digest,
        row.repository,
        row.media_type,
        row.pushed_at,
        row.artifact_type,
      ),
    deleteImage: ({ digest, push }: Pick<ImageRow, "digest" | "push">) => {
      // The counts first: they need not follow each tag that goes.
      for (const table of ["images", "many_tags", "tags", "artifact_tags"])
        db.run(`DELETE FROM ${table} WHERE digest = ?`, digest);
      deletePushes(digest, push);
    },
    setTag: (tag: string, digest: string, order: PushOrder | null) =>
      db.run(
        `INSERT INTO tags (tag, digest, order_repository, order_at) VALUES (?, ?, ?, ?)
         ON CONFLICT (tag) DO UPDATE SET digest = excluded.digest,
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
    /** Takes the tags of a digest that turns out to be of no image from those of images. @param row as an image */
    setTagsApart: ({ digest, push }: Pick<ImageRow, "digest" | "push">) => {
      db.run(
        `INSERT INTO artifact_tags (tag, digest, order_repository, order_at)
         SELECT tag, digest, order_repository, order_at FROM tags WHERE digest = ?
         ON CONFLICT (tag) DO NOTHING`,
        digest,
      );
      db.run("DELETE FROM tags WHERE digest = ?", digest);
      deletePushes(digest, push);
    },
    /** Notes that a notification was recorded. @param kept how many stay, with this one. @returns whether it was new */
    noteNotice: (id: string, kept: number) => {
      const isNew = db.run("INSERT INTO notices (id) VALUES (?) ON CONFLICT (id) DO NOTHING", id);
      if (isNew) db.run("DELETE FROM notices WHERE seq <= (SELECT max(seq) FROM notices) - ?", kept);
      return isNew;
    },
    deleteTag: (tag: string) => db.run("DELETE FROM tags WHERE tag = ?", tag),
    /**
     * Records the push of the image that was put last.
     * @param previous its latest push before
     * @param kept how many of the newest stay, with this one
     */
    insertPush: (row: Omit<PushRow, "seq">, previous: number | null, kept: number) => {
      db.run(
        `INSERT INTO pushes (seq, digest, tag, repository, pushed_at, previous)
         VALUES ((SELECT max(seq) FROM images), ?, ?, ?, ?, ?)`,
        row.digest,
        row.tag,
        row.repository,
        row.pushed_at,
        previous,
      );
      db.run("DELETE FROM pushes WHERE seq <= (SELECT max(seq) FROM pushes) - ?", kept);
    },
  };
}
export type ImagesWrites = ReturnType<typeof imagesWrites>;
