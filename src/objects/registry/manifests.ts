import { referrersPageBytes, untaggedManifestsMax } from "../../domain/limits.ts";
import { artifactOfIndex } from "../../domain/registry/artifact.ts";
import { type OciResult, ociFail } from "../../protocol/oci/errors.ts";
import type { Referrer } from "../../protocol/oci/list.ts";
import type { ManifestFacts } from "../../protocol/oci/manifest.ts";
import { checkConditions } from "./conditions.ts";
import type { ManifestPut, StoredManifest } from "./contract.ts";
import type { ManifestRow } from "./manifests.sql.ts";
import type { RegistryState } from "./state.ts";
import { checkUntagged, countManifest, countRef, countTag, uncountManifest } from "./untagged.ts";

/** A value in SQLite has at most 2 MB; a manifest up to 4 MiB. */
const pieceBytes = 1024 * 1024;
/** What a descriptor in a list of referrers has beside its annotations and artifact type, and the list beside its descriptors. */
const referrerEnvelopeBytes = 512;
const sizesAtOnce = 1000;

function rowOf({ sql }: RegistryState, repository: string, reference: string): ManifestRow | undefined {
  const digest = reference.includes(":") ? reference : sql.tag(repository, reference)?.digest;
  return digest === undefined ? undefined : sql.manifest(repository, digest);
}

export function findManifest(
  state: RegistryState,
  repository: string,
  reference: string,
): StoredManifest | null {
  const { sql } = state;
  const row = rowOf(state, repository, reference);
  if (!row) return null;
  const bytes = new Uint8Array(row.size);
  let offset = 0;
  for (const piece of sql.pieces(repository, row.digest)) {
    bytes.set(new Uint8Array(piece.bytes), offset);
    offset += piece.bytes.byteLength;
  }
  return { digest: row.digest, mediaType: row.media_type, bytes };
}

export function manifestUnknown(reference: string) {
  return ociFail("MANIFEST_UNKNOWN", `manifest \`${reference}\` not found`);
}

/**
 * Whether a manifest can be stored: its conditions hold, all that it refers to is there, of what an index lists one at least, and
 * without a tag it is within the quota.
 */
export function checkManifest(
  state: RegistryState,
  repository: string,
  {
    digest,
    bytes,
    facts,
    tags,
    conditions,
  }: Pick<ManifestPut, "digest" | "bytes" | "facts" | "tags" | "conditions">,
): OciResult<null> {
  const { sql } = state;
  for (const reference of conditions === undefined ? [] : tags.length > 0 ? tags : [digest]) {
    const current = rowOf(state, repository, reference)?.digest ?? null;
    const met = checkConditions(reference, current, conditions);
    if (!met.ok) return met;
  }
  // An index may list blobs: build caches do.
  const absent = facts.children.filter(
    (child) => !sql.manifest(repository, child) && !sql.link(repository, child),
  );
  const missing = [
    ...facts.blobs.filter((blob) => !sql.link(repository, blob)),
    // Clients copy an index with the platforms that they need alone, and its digest stays the same.
    ...(absent.length === facts.children.length ? absent : []),
  ];
  if (missing.length > 0) {
    return ociFail("MANIFEST_BLOB_UNKNOWN", `the manifest refers to what was not pushed: ${missing[0]}`, {
      detail: { digests: missing.slice(0, 100) },
    });
  }
  const isTagged = tags.length > 0 || sql.manifest(repository, digest) !== undefined;
  if (!isTagged && sql.hasUntaggedManifests(untaggedManifestsMax)) {
    return ociFail(
      "DENIED",
      `the account has ${untaggedManifestsMax} manifests without a tag: tag or delete some, or wait until they are collected`,
    );
  }
  return checkUntagged(state, isTagged ? 0 : bytes.byteLength);
}

/** What a manifest is where no runtime can run it; null: an image. Of an index, what it lists decides as far as it is here. */
export function artifactIn(
  { sql }: RegistryState,
  repository: string,
  { mediaType, runs }: Pick<ManifestFacts, "mediaType" | "runs">,
): string | null {
  if (runs.kind === "image") return runs.artifact;
  return artifactOfIndex({ mediaType, ...runs }, (digest) => {
    const row = sql.manifest(repository, digest);
    if (!row) return "absent";
    return row.artifact === null ? "image" : "artifact";
  });
}

/**
 * Stores a manifest and moves its tags, if `checkManifest` allows it. Its subject need not be there. Tags stand as
 * unannounced until the service has them.
 */
export function storeManifest(
  state: RegistryState,
  repository: string,
  { digest, bytes, facts, tags, by, conditions }: ManifestPut,
  now: number,
): OciResult<null> {
  const { sql } = state;
  const checked = checkManifest(state, repository, { digest, bytes, facts, tags, conditions });
  if (!checked.ok) return checked;
  const isNew = sql.manifest(repository, digest) === undefined;
  sql.putManifest({
    repository,
    digest,
    media_type: facts.mediaType,
    size: bytes.byteLength,
    subject: facts.subject,
    artifact_type: facts.artifactType,
    annotations: facts.annotations === null ? null : JSON.stringify(facts.annotations),
    artifact: artifactIn(state, repository, facts),
  });
  for (let piece = 0; piece * pieceBytes < bytes.byteLength; piece++) {
    sql.piece(repository, digest, piece, bytes.slice(piece * pieceBytes, (piece + 1) * pieceBytes).buffer);
  }
  const refs = [...facts.blobs, ...facts.foreignBlobs, ...facts.children];
  if (isNew) countManifest(state, repository, digest, bytes.byteLength);
  for (const ref of refs) {
    if (sql.insertRef(repository, digest, ref)) countRef(state, repository, digest, ref);
  }
  for (const tag of tags) {
    const before = sql.tag(repository, tag)?.digest;
    sql.setTag(repository, tag, digest, by);
    if (before === digest) continue;
    countTag(state, repository, digest, 1);
    if (before === undefined) continue;
    countTag(state, repository, before, -1);
    state.markManifest(repository, before, now);
  }
  // A manifest that is pushed again without a tag begins its grace anew.
  sql.setManifestUnreferenced(repository, digest, null);
  state.markManifest(repository, digest, now);
  state.markAround(repository, digest, refs, now);
  return { ok: true, value: null };
}

/** Removes a manifest with its tags; what only it needed is without use from now on. */
export function removeManifest(state: RegistryState, repository: string, digest: string, now: number): void {
  const refs = state.sql.refsOf(repository, digest).map((ref) => ref.digest);
  uncountManifest(state, repository, digest);
  state.sql.deleteManifest(repository, digest);
  state.markAround(repository, digest, refs, now);
}

export function removeTag(state: RegistryState, repository: string, tag: string, now: number): void {
  const digest = state.sql.tag(repository, tag)?.digest;
  state.sql.deleteTag(repository, tag);
  if (digest === undefined) return;
  countTag(state, repository, digest, -1);
  state.markManifest(repository, digest, now);
}

export function listTags(
  { sql }: RegistryState,
  repository: string,
  { last, limit }: { last: string; limit: number },
): { tags: string[]; more: boolean } {
  const tags = sql.tagsAfter(repository, last, limit + 1).map(({ tag }) => tag);
  return { tags: tags.slice(0, limit), more: limit > 0 && tags.length > limit };
}

/** As `RegistryRpc.referrers`: as many as an index of `referrersPageBytes` lists, and one at least. */
export function listReferrers(
  { sql }: RegistryState,
  repository: string,
  subject: string,
  { artifactType, last }: { artifactType: string | null; last: string },
): { referrers: Referrer[]; next: string | null } {
  let end = last;
  let left = referrersPageBytes - referrerEnvelopeBytes;
  let isMore = false;
  for (let found = sizesAtOnce; found === sizesAtOnce && !isMore; ) {
    const sizes = sql.referrerSizes(repository, subject, artifactType, end, sizesAtOnce);
    found = sizes.length;
    for (const { digest, bytes } of sizes) {
      left -= bytes + referrerEnvelopeBytes;
      isMore = left < 0 && end !== last;
      if (isMore) break;
      end = digest;
    }
  }
  const referrers = sql.referrers(repository, subject, artifactType, last, end).map(referrer);
  return { referrers, next: isMore ? end : null };
}

function referrer(row: ManifestRow): Referrer {
  return {
    mediaType: row.media_type,
    digest: row.digest,
    size: row.size,
    artifactType: row.artifact_type,
    annotations: row.annotations === null ? null : JSON.parse(row.annotations),
  };
}
