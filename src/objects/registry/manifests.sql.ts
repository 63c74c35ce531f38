import type { ActorName } from "../contract.ts";
import type { Database } from "../database.ts";

export type ManifestRow = {
  repository: string;
  digest: string;
  media_type: string;
  size: number;
  subject: string | null;
  artifact_type: string | null;
  annotations: string | null;
  unreferenced_since: number | null;
  /** How many tags and kept manifests keep it. */
  keepers: number;
  /** What it is where no runtime can run it; null: an image, or it came before this was noted. */
  artifact: string | null;
};
export type TagRow = {
  repository: string;
  tag: string;
  digest: string;
  announced: number;
  /** Whose push set it, as long as the service has not taken it over; null where that is not known. */
  token_id: string | null;
  token_name: string | null;
};

/** Manifests, what they refer to, and tags. */
export function manifestsSql(db: Database) {
  return {
    manifest: (repository: string, digest: string) =>
      db.first<ManifestRow>(
        "SELECT * FROM manifests WHERE repository = ? AND digest = ?",
        repository,
        digest,
      ),
    manifestsOf: (repository: string) =>
      db.all<ManifestRow>("SELECT * FROM manifests WHERE repository = ?", repository),
    manifestsUnreferencedSince: (since: number, limit: number) =>
      db.all<ManifestRow>(
        "SELECT * FROM manifests WHERE unreferenced_since <= ? ORDER BY unreferenced_since LIMIT ?",
        since,
        limit,
      ),
    putManifest: (row: Omit<ManifestRow, "unreferenced_since" | "keepers">) =>
      db.run(
        `INSERT INTO manifests (repository, digest, media_type, size, subject, artifact_type, annotations, artifact)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (repository, digest) DO UPDATE SET media_type = excluded.media_type, artifact = excluded.artifact`,
        row.repository,
        row.digest,
        row.media_type,
        row.size,
        row.subject,
        row.artifact_type,
        row.annotations,
        row.artifact,
      ),
    /** Whether there are so many that nothing keeps, or more. */
    hasUntaggedManifests: (count: number) =>
      db.first("SELECT 1 FROM manifests WHERE keepers = 0 LIMIT 1 OFFSET ?", count - 1) !== undefined,
    manifestKeepers: (repository: string, digest: string) =>
      db.first<{ keepers: number }>(
        "SELECT keepers FROM manifests WHERE repository = ? AND digest = ?",
        repository,
        digest,
      )?.keepers ?? 0,
    setManifestKeepers: (repository: string, digest: string, keepers: number) =>
      db.run(
        "UPDATE manifests SET keepers = ? WHERE repository = ? AND digest = ?",
        keepers,
        repository,
        digest,
      ),
    setManifestUnreferenced: (repository: string, digest: string, since: number | null) =>
      db.run(
        `UPDATE manifests SET unreferenced_since = ?
         WHERE repository = ? AND digest = ? AND unreferenced_since IS NOT ?`,
        since,
        repository,
        digest,
        since,
      ),
    deleteManifest: (repository: string, digest: string) => {
      db.run("DELETE FROM manifests WHERE repository = ? AND digest = ?", repository, digest);
      db.run("DELETE FROM manifest_bytes WHERE repository = ? AND digest = ?", repository, digest);
      db.run("DELETE FROM refs WHERE repository = ? AND manifest = ?", repository, digest);
      db.run("DELETE FROM tags WHERE repository = ? AND digest = ?", repository, digest);
    },

    piece: (repository: string, digest: string, piece: number, bytes: ArrayBuffer) =>
      db.run(
        `INSERT INTO manifest_bytes (repository, digest, piece, bytes) VALUES (?, ?, ?, ?)
         ON CONFLICT (repository, digest, piece) DO NOTHING`,
        repository,
        digest,
        piece,
        bytes,
      ),
    pieces: (repository: string, digest: string) =>
      db.all<{ bytes: ArrayBuffer }>(
        "SELECT bytes FROM manifest_bytes WHERE repository = ? AND digest = ? ORDER BY piece",
        repository,
        digest,
      ),

    refsOf: (repository: string, manifest: string) =>
      db.all<{ digest: string }>(
        "SELECT digest FROM refs WHERE repository = ? AND manifest = ?",
        repository,
        manifest,
      ),
    /** A manifest that refers to a digest. */
    referringTo: (repository: string, digest: string) =>
      db.first<{ manifest: string }>(
        "SELECT manifest FROM refs WHERE repository = ? AND digest = ? LIMIT 1",
        repository,
        digest,
      )?.manifest,
    /** How many kept manifests refer to a digest. */
    keptReferring: (repository: string, digest: string) =>
      db.first<{ n: number }>(
        `SELECT count(*) AS n FROM refs r JOIN manifests m ON m.repository = r.repository AND m.digest = r.manifest
         WHERE r.repository = ? AND r.digest = ? AND m.keepers > 0`,
        repository,
        digest,
      )?.n ?? 0,
    /** @returns whether it was not noted yet */
    insertRef: (repository: string, manifest: string, digest: string) =>
      db.run(
        `INSERT INTO refs (repository, manifest, digest) VALUES (?, ?, ?)
         ON CONFLICT (repository, manifest, digest) DO NOTHING`,
        repository,
        manifest,
        digest,
      ),
    /** Manifests about another one. */
    withSubject: (repository: string, subject: string) =>
      db.all<{ digest: string }>(
        "SELECT digest FROM manifests WHERE repository = ? AND subject = ?",
        repository,
        subject,
      ),
    /** How long what is listed of each of them is, by digest. @param artifactType null: of any */
    referrerSizes: (
      repository: string,
      subject: string,
      artifactType: string | null,
      last: string,
      limit: number,
    ) =>
      db.all<{ digest: string; bytes: number }>(
        `SELECT digest, coalesce(octet_length(annotations), 0) + coalesce(octet_length(json_quote(artifact_type)), 0) AS bytes
         FROM manifests
         WHERE repository = ? AND subject = ? AND digest > ? AND artifact_type IS coalesce(?, artifact_type)
         ORDER BY digest LIMIT ?`,
        repository,
        subject,
        last,
        artifactType,
        limit,
      ),
    /** … and they themselves, after `last` and up to `end`. */
    referrers: (
      repository: string,
      subject: string,
      artifactType: string | null,
      last: string,
      end: string,
    ) =>
      db.all<ManifestRow>(
        `SELECT * FROM manifests
         WHERE repository = ? AND subject = ? AND digest > ? AND digest <= ?
           AND artifact_type IS coalesce(?, artifact_type)
         ORDER BY digest`,
        repository,
        subject,
        last,
        end,
        artifactType,
      ),

    tag: (repository: string, tag: string) =>
      db.first<TagRow>("SELECT * FROM tags WHERE repository = ? AND tag = ?", repository, tag),
    hasTag: (repository: string, digest: string) =>
      db.first(
        "SELECT 1 AS found FROM tags WHERE repository = ? AND digest = ? LIMIT 1",
        repository,
        digest,
      ) !== undefined,
    tagsAfter: (repository: string, last: string, limit: number) =>
      db.all<{ tag: string }>(
        "SELECT tag FROM tags WHERE repository = ? AND tag > ? ORDER BY tag LIMIT ?",
        repository,
        last,
        limit,
      ),
    unannouncedTags: (limit: number) =>
      db.all<TagRow>("SELECT * FROM tags WHERE announced = 0 LIMIT ?", limit),
    setTag: (repository: string, tag: string, digest: string, by: ActorName) =>
      db.run(
        `INSERT INTO tags (repository, tag, digest, announced, token_id, token_name) VALUES (?, ?, ?, 0, ?, ?)
         ON CONFLICT (repository, tag) DO UPDATE SET digest = excluded.digest, announced = 0,
           token_id = excluded.token_id, token_name = excluded.token_name`,
        repository,
        tag,
        digest,
        by.tokenId,
        by.tokenName,
      ),
    setAnnounced: (repository: string, tag: string) =>
      db.run("UPDATE tags SET announced = 1 WHERE repository = ? AND tag = ?", repository, tag),
    deleteTag: (repository: string, tag: string) =>
      db.run("DELETE FROM tags WHERE repository = ? AND tag = ?", repository, tag),
  };
}
