import type { Database } from "../database.ts";

export type LinkRow = {
  repository: string;
  digest: string;
  unreferenced_since: number | null;
  /** Since when it had been without use when its grace was renewed first. */
  renewed_from: number | null;
};
export type UploadRow = {
  id: string;
  repository: string;
  key: string;
  version: number;
  state: string;
  updated_at: number;
  /** The id of the access token or session that it was begun with; null where that was not noted. */
  begun_by: string | null;
  begun_at: number | null;
};

/** Blobs, the repositories that have them, and uploads. */
export function blobsSql(db: Database) {
  return {
    blob: (digest: string) =>
      db.first<{ key: string; size: number; keepers: number }>(
        "SELECT key, size, keepers FROM blobs WHERE digest = ?",
        digest,
      ),
    insertBlob: (digest: string, key: string, size: number) =>
      db.run("INSERT INTO blobs (digest, key, size) VALUES (?, ?, ?)", digest, key, size),
    setBlobKeepers: (digest: string, keepers: number) =>
      db.run("UPDATE blobs SET keepers = ? WHERE digest = ?", keepers, digest),
    deleteBlob: (digest: string) => db.run("DELETE FROM blobs WHERE digest = ?", digest),

    link: (repository: string, digest: string) =>
      db.first<LinkRow>("SELECT * FROM links WHERE repository = ? AND digest = ?", repository, digest),
    hasLinks: (digest: string) =>
      db.first("SELECT 1 AS found FROM links WHERE digest = ? LIMIT 1", digest) !== undefined,
    linksOf: (repository: string) => db.all<LinkRow>("SELECT * FROM links WHERE repository = ?", repository),
    linksUnreferencedSince: (since: number, limit: number) =>
      db.all<LinkRow>(
        "SELECT * FROM links WHERE unreferenced_since <= ? ORDER BY unreferenced_since LIMIT ?",
        since,
        limit,
      ),
    insertLink: (repository: string, digest: string, now: number) =>
      db.run(
        "INSERT INTO links (repository, digest, unreferenced_since) VALUES (?, ?, ?)",
        repository,
        digest,
        now,
      ),
    setLinkUnreferenced: (repository: string, digest: string, since: number | null) =>
      db.run(
        `UPDATE links SET unreferenced_since = ?, renewed_from = NULL
         WHERE repository = ? AND digest = ? AND unreferenced_since IS NOT ?`,
        since,
        repository,
        digest,
        since,
      ),
    renewLink: (repository: string, digest: string, since: number) =>
      db.run(
        `UPDATE links SET unreferenced_since = ?, renewed_from = coalesce(renewed_from, unreferenced_since)
         WHERE repository = ? AND digest = ?`,
        since,
        repository,
        digest,
      ),
    lastUploadAt: (repository: string) =>
      db.first<{ at: number }>("SELECT at FROM last_uploads WHERE repository = ?", repository)?.at ?? 0,
    noteUpload: (repository: string, now: number) =>
      db.run(
        `INSERT INTO last_uploads (repository, at) VALUES (?, ?)
         ON CONFLICT (repository) DO UPDATE SET at = excluded.at`,
        repository,
        now,
      ),
    forgetUploads: (repository: string) =>
      db.run("DELETE FROM last_uploads WHERE repository = ?", repository),
    deleteLink: (repository: string, digest: string) =>
      db.run("DELETE FROM links WHERE repository = ? AND digest = ?", repository, digest),

    upload: (id: string) => db.first<UploadRow>("SELECT * FROM uploads WHERE id = ?", id),
    /** Whether there are so many, or more. */
    hasUploads: (count: number) =>
      db.first("SELECT 1 FROM uploads LIMIT 1 OFFSET ?", count - 1) !== undefined,
    uploadsOf: (repository: string) =>
      db.all<UploadRow>("SELECT * FROM uploads WHERE repository = ?", repository),
    uploadsUntouchedSince: (since: number, limit: number) =>
      db.all<UploadRow>(
        "SELECT * FROM uploads WHERE updated_at <= ? ORDER BY updated_at LIMIT ?",
        since,
        limit,
      ),
    insertUpload: (row: UploadRow) =>
      db.run(
        `INSERT INTO uploads (id, repository, key, version, state, updated_at, begun_by, begun_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
        row.id,
        row.repository,
        row.key,
        row.version,
        row.state,
        row.updated_at,
        row.begun_by,
        row.begun_at,
      ),
    updateUpload: (row: Pick<UploadRow, "id" | "version" | "state" | "updated_at">) =>
      db.run(
        "UPDATE uploads SET version = ?, state = ?, updated_at = ? WHERE id = ?",
        row.version,
        row.state,
        row.updated_at,
        row.id,
      ),
    deleteUpload: (id: string) => db.run("DELETE FROM uploads WHERE id = ?", id),
  };
}
