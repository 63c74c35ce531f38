import type { Database, Migration } from "../database.ts";

export const registryMigrations: readonly Migration[] = [
  {
    name: "blobs, manifests, tags, uploads and what is to be deleted",
    sql: `
      CREATE TABLE registry (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        account TEXT NOT NULL,
        host TEXT NOT NULL DEFAULT ''
      );
      CREATE TABLE blobs (
        digest TEXT PRIMARY KEY,
        key TEXT NOT NULL, -- of the blob store
        size INTEGER NOT NULL
      ) WITHOUT ROWID;
      CREATE TABLE links ( -- which repository has which blob
        repository TEXT NOT NULL,
        digest TEXT NOT NULL,
        unreferenced_since INTEGER, -- null while a manifest of the repository refers to it
        PRIMARY KEY (repository, digest)
      ) WITHOUT ROWID;
      CREATE INDEX links_digest ON links (digest);
      CREATE INDEX links_unreferenced ON links (unreferenced_since) WHERE unreferenced_since IS NOT NULL;
      CREATE TABLE manifests (
        repository TEXT NOT NULL,
        digest TEXT NOT NULL,
        media_type TEXT NOT NULL,
        size INTEGER NOT NULL,
        subject TEXT,
        artifact_type TEXT,
        annotations TEXT, -- JSON
        unreferenced_since INTEGER, -- null while a tag, an index or its subject keeps it
        PRIMARY KEY (repository, digest)
      ) WITHOUT ROWID;
      CREATE INDEX manifests_subject ON manifests (repository, subject) WHERE subject IS NOT NULL;
      CREATE INDEX manifests_unreferenced ON manifests (unreferenced_since) WHERE unreferenced_since IS NOT NULL;
      CREATE TABLE manifest_bytes ( -- in pieces, since a value has at most 2 MB
        repository TEXT NOT NULL,
        digest TEXT NOT NULL,
        piece INTEGER NOT NULL,
        bytes BLOB NOT NULL,
        PRIMARY KEY (repository, digest, piece)
      ) WITHOUT ROWID;
      CREATE TABLE refs ( -- what a manifest refers to: config, layers, manifests of an index
        repository TEXT NOT NULL,
        manifest TEXT NOT NULL,
        digest TEXT NOT NULL,
        PRIMARY KEY (repository, manifest, digest)
      ) WITHOUT ROWID;
      CREATE INDEX refs_digest ON refs (repository, digest);
      CREATE TABLE tags (
        repository TEXT NOT NULL,
        tag TEXT NOT NULL,
        digest TEXT NOT NULL,
        announced INTEGER NOT NULL, -- whether the service has taken it over
        PRIMARY KEY (repository, tag)
      ) WITHOUT ROWID;
      CREATE INDEX tags_digest ON tags (repository, digest);
      CREATE INDEX tags_unannounced ON tags (announced) WHERE announced = 0;
      CREATE TABLE uploads (
        id TEXT PRIMARY KEY,
        repository TEXT NOT NULL,
        key TEXT NOT NULL,
        version INTEGER NOT NULL,
        state TEXT NOT NULL, -- JSON: UploadState
        updated_at INTEGER NOT NULL
      ) WITHOUT ROWID;
      CREATE INDEX uploads_updated ON uploads (updated_at);
      CREATE TABLE garbage ( -- keys of the blob store that nothing needs any more
        key TEXT PRIMARY KEY,
        multipart_id TEXT,
        since INTEGER NOT NULL
      ) WITHOUT ROWID;
      CREATE INDEX garbage_since ON garbage (since);
    `,
  },
  {
    name: "the bytes that no tag keeps",
    sql: `
      ALTER TABLE registry ADD COLUMN untagged_bytes INTEGER NOT NULL DEFAULT 0;
      ALTER TABLE registry ADD COLUMN untagged_max INTEGER; -- null: the default
      ALTER TABLE manifests ADD COLUMN keepers INTEGER NOT NULL DEFAULT 0; -- tags, and kept manifests, that keep it
      ALTER TABLE blobs ADD COLUMN keepers INTEGER NOT NULL DEFAULT 0; -- kept manifests that refer to it
      CREATE TABLE kept (
        repository TEXT NOT NULL,
        digest TEXT NOT NULL,
        PRIMARY KEY (repository, digest)
      ) WITHOUT ROWID;
      INSERT INTO kept (repository, digest)
        WITH RECURSIVE reached (repository, digest) AS (
          SELECT t.repository, t.digest FROM tags t JOIN manifests USING (repository, digest)
          UNION
          SELECT m.repository, m.digest FROM reached k JOIN manifests m ON m.repository = k.repository
            WHERE m.subject = k.digest
              OR m.digest IN (SELECT digest FROM refs WHERE repository = k.repository AND manifest = k.digest)
        )
        SELECT repository, digest FROM reached;
      UPDATE manifests SET keepers =
        (SELECT count(*) FROM tags t WHERE t.repository = manifests.repository AND t.digest = manifests.digest)
        + (SELECT count(*) FROM refs r JOIN kept k ON k.repository = r.repository AND k.digest = r.manifest
           WHERE r.repository = manifests.repository AND r.digest = manifests.digest)
        + (SELECT count(*) FROM kept k WHERE k.repository = manifests.repository AND k.digest = manifests.subject);
      UPDATE blobs SET keepers = counted.n FROM (
        SELECT r.digest AS digest, count(*) AS n FROM kept k
          JOIN refs r ON r.repository = k.repository AND r.manifest = k.digest
          JOIN links l ON l.repository = r.repository AND l.digest = r.digest
          GROUP BY r.digest
        ) AS counted WHERE counted.digest = blobs.digest;
      DROP TABLE kept;
      UPDATE registry SET untagged_bytes =
        (SELECT coalesce(sum(size), 0) FROM manifests WHERE keepers = 0)
        + (SELECT coalesce(sum(size), 0) FROM blobs WHERE keepers = 0)
        + (SELECT coalesce(sum(json_extract(state, '$.offset')), 0) FROM uploads);
    `,
  },
  {
    name: "how many manifests nothing keeps",
    sql: "CREATE INDEX manifests_untagged ON manifests (repository, digest) WHERE keepers = 0;",
  },
  {
    name: "who has pushed a tag",
    sql: `
      ALTER TABLE tags ADD COLUMN token_id TEXT;
      ALTER TABLE tags ADD COLUMN token_name TEXT;
    `,
  },
  {
    name: "since when a blob is kept by pushes that go on",
    sql: `
      ALTER TABLE links ADD COLUMN renewed_from INTEGER; -- null: no push has renewed its grace
      CREATE TABLE last_uploads ( -- when something was uploaded to a repository last
        repository TEXT PRIMARY KEY,
        at INTEGER NOT NULL
      ) WITHOUT ROWID;
    `,
  },
  {
    name: "what cannot be run",
    sql: `
      -- What it is instead of an image; null: an image, or it came before this was noted.
      ALTER TABLE manifests ADD COLUMN artifact TEXT;
    `,
  },
  {
    name: "who has begun an upload, and when",
    sql: `
      ALTER TABLE uploads ADD COLUMN begun_by TEXT; -- id of an access token or a session
      ALTER TABLE uploads ADD COLUMN begun_at INTEGER;
    `,
  },
];

export function registrySql(db: Database) {
  return {
    registry: () => db.first<{ account: string; host: string }>("SELECT account, host FROM registry"),
    insertRegistry: (account: string) => db.run("INSERT INTO registry (id, account) VALUES (1, ?)", account),
    setHost: (host: string) => db.run("UPDATE registry SET host = ? WHERE host != ?", host, host),

    untagged: () =>
      db.first<{ used: number; max: number | null }>(
        "SELECT untagged_bytes AS used, untagged_max AS max FROM registry",
      ) ?? { used: 0, max: null },
    addUntagged: (bytes: number) => db.run("UPDATE registry SET untagged_bytes = untagged_bytes + ?", bytes),
    setUntaggedMax: (max: number | null) => db.run("UPDATE registry SET untagged_max = ?", max),

    addGarbage: (key: string, multipartId: string | null, now: number) =>
      db.run(
        `INSERT INTO garbage (key, multipart_id, since) VALUES (?, ?, ?)
         ON CONFLICT (key) DO UPDATE SET since = min(since, excluded.since)`,
        key,
        multipartId,
        now,
      ),
    garbageSince: (since: number, limit: number) =>
      db.all<{ key: string; multipart_id: string | null }>(
        "SELECT key, multipart_id FROM garbage WHERE since <= ? ORDER BY since LIMIT ?",
        since,
        limit,
      ),
    deleteGarbage: (key: string) => db.run("DELETE FROM garbage WHERE key = ?", key),
    /** Since when the longest unused of each kind has been so. */
    oldest: () =>
      db.first<{ blob: number | null; manifest: number | null; upload: number | null; bytes: number | null }>(
        `SELECT
           (SELECT min(unreferenced_since) FROM links WHERE unreferenced_since IS NOT NULL) AS blob,
           (SELECT min(unreferenced_since) FROM manifests WHERE unreferenced_since IS NOT NULL) AS manifest,
           (SELECT min(updated_at) FROM uploads) AS upload,
           (SELECT min(since) FROM garbage) AS bytes`,
      ) ?? { blob: null, manifest: null, upload: null, bytes: null },
  };
}
