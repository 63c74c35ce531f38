import { blobMaxBytes, openUploadsMax, uploadExpiresMs } from "../../domain/limits.ts";
import { needsNewGrace } from "../../domain/registry/collection.ts";
import {
  emptyUpload,
  grantedAfter,
  grantParts,
  type PartNumbers,
  type UploadState,
} from "../../domain/registry/upload.ts";
import { type OciResult, ociFail } from "../../protocol/oci/errors.ts";
import type { Conditions } from "../../protocol/oci/preconditions.ts";
import type { UploadRow } from "./blobs.sql.ts";
import { checkConditions } from "./conditions.ts";
import type { BlobPlace, IncomingChunk, Upload } from "./contract.ts";
import type { RegistryState } from "./state.ts";
import { checkUntagged, countLink, untaggedQuota } from "./untagged.ts";

/** A blob that the repository has. Its grace begins anew where it would soon run out. */
export function findBlob(
  { db, sql }: RegistryState,
  repository: string,
  digest: string,
  now: number,
): BlobPlace | null {
  const link = sql.link(repository, digest);
  const blob = link && sql.blob(digest);
  if (!blob) return null;
  if (needsNewGrace(link.unreferenced_since, now)) {
    db.transaction(() => sql.setLinkUnreferenced(repository, digest, now));
  }
  return { key: blob.key, size: blob.size };
}

/** Gives a blob to a repository, with a grace that begins now where nothing refers to it. */
export function linkBlob(state: RegistryState, repository: string, digest: string, now: number): void {
  const { sql } = state;
  const link = sql.link(repository, digest);
  sql.noteUpload(repository, now);
  if (!link) {
    sql.insertLink(repository, digest, now);
    countLink(state, repository, digest, 1);
    // A manifest that was there before it may refer to it.
    state.markLink(repository, digest, now);
  } else if (link.unreferenced_since !== null) sql.setLinkUnreferenced(repository, digest, now);
}

/** Takes a blob from a repository; its bytes go with the last repository that has it. */
export function unlinkBlob(state: RegistryState, repository: string, digest: string, now: number): void {
  const { sql } = state;
  countLink(state, repository, digest, -1);
  sql.deleteLink(repository, digest);
  if (sql.hasLinks(digest)) return;
  const blob = sql.blob(digest);
  if (blob) {
    sql.addGarbage(blob.key, null, now);
    sql.addUntagged(-blob.size);
  }
  sql.deleteBlob(digest);
}

export function deleteBlob(
  state: RegistryState,
  repository: string,
  digest: string,
  conditions: Conditions | undefined,
  now: number,
): OciResult<null> {
  if (!state.sql.link(repository, digest)) return blobUnknown(digest);
  const manifest = state.sql.referringTo(repository, digest);
  if (manifest !== undefined) {
    return ociFail("DENIED", `blob \`${digest}\` is needed by manifest \`${manifest}\`: delete that first`);
  }
  const met = checkConditions(digest, digest, conditions);
  if (met.ok) unlinkBlob(state, repository, digest, now);
  return met;
}

export function blobUnknown(digest: string) {
  return ociFail("BLOB_UNKNOWN", `blob \`${digest}\` not found`);
}

/**
 * Whether bytes may come in. What the account has already adds nothing, whoever sends it again.
 * @param unknown how much to count where the number of bytes is not known
 */
export function checkIncoming(
  state: RegistryState,
  { digest, bytes }: IncomingChunk,
  unknown: 0 | 1,
): OciResult<null> {
  return checkUntagged(state, isThere(state, digest) ? 0 : (bytes ?? unknown));
}

function isThere({ sql }: RegistryState, digest: string | null): boolean {
  return digest !== null && sql.blob(digest) !== undefined;
}

/** Whether one more upload may be open: those of which nothing has come have no bytes that a quota counts. */
export function checkOpenUploads({ sql }: RegistryState): OciResult<null> {
  if (!sql.hasUploads(openUploadsMax)) return { ok: true, value: null };
  return ociFail(
    "DENIED",
    `the account has ${openUploadsMax} uploads that are open: finish or cancel some, or wait until they expire`,
  );
}

export function beginUpload(
  { sql }: RegistryState,
  repository: string,
  id: string,
  key: string,
  by: string,
  now: number,
): Upload {
  const state = JSON.stringify(emptyUpload);
  sql.noteUpload(repository, now);
  sql.insertUpload({
    id,
    repository,
    key,
    version: 0,
    state,
    updated_at: now,
    begun_by: by,
    begun_at: now,
  });
  const begun = { credentialId: by, at: now };
  return { id, key, version: 0, state: emptyUpload, begun, chunkKey: null, numbers: null, room: null };
}

/**
 * Gives an upload a key, the numbers and the room for its next chunk. Until something claims the key, it counts as garbage, which
 * is deleted when the upload would have expired: a chunk that is cut short leaves nothing for good.
 * @returns null where there are no numbers left, which ends the upload
 */
export function forChunk(
  state: RegistryState,
  repository: string,
  upload: Upload,
  { digest, bytes }: IncomingChunk,
  random: string,
  now: number,
): Upload | null {
  const numbers = grantParts(upload.state, bytes);
  if (!numbers) {
    cancelUpload(state, repository, upload.id, [], now);
    return null;
  }
  const granted = noteGranted(state, upload, numbers, now);
  const chunkKey = `${upload.key}-${random}`;
  state.sql.noteUpload(repository, now);
  state.sql.addGarbage(chunkKey, null, now + uploadExpiresMs);
  const { used, limit } = untaggedQuota(state);
  const untagged = isThere(state, digest) ? Number.POSITIVE_INFINITY : Math.max(0, limit - used);
  return {
    ...upload,
    state: granted,
    chunkKey,
    numbers,
    room: Math.min(untagged, blobMaxBytes - upload.state.offset),
  };
}

function noteGranted(
  { sql }: RegistryState,
  { id, version, state }: Upload,
  { first, count }: PartNumbers,
  now: number,
): UploadState {
  const granted = { ...state, partsGranted: first + count - 1 };
  sql.updateUpload({ id, version, state: JSON.stringify(granted), updated_at: now });
  return granted;
}

/** As `RegistryRpc.moreParts`. */
export function moreParts(
  state: RegistryState,
  repository: string,
  upload: Upload,
  now: number,
): PartNumbers | null {
  const current = findUpload(state, repository, upload.id);
  const numbers = current?.version === upload.version ? grantParts(current.state, null) : null;
  if (current && numbers) noteGranted(state, current, numbers, now);
  return numbers;
}

export function findUpload({ sql }: RegistryState, repository: string, id: string): Upload | null {
  const row = sql.upload(id);
  if (row?.repository !== repository) return null;
  const { key, version, begun_by: credentialId, begun_at: at } = row;
  const begun = { credentialId, at };
  return { id, key, version, state: uploadState(row), begun, chunkKey: null, numbers: null, room: null };
}

/** As uploads were kept before parts had the numbers of an attempt: those of their places. */
type UploadStateBefore = Omit<UploadState, "parts" | "partsGranted"> & { partEtags: readonly string[] };

function uploadState(row: UploadRow): UploadState {
  const stored: UploadState | UploadStateBefore = JSON.parse(row.state);
  if ("parts" in stored) return stored;
  const { partEtags, ...state } = stored;
  const parts = partEtags.map((etag, i) => ({ part: i + 1, etag }));
  return { ...state, parts, partsGranted: parts.length };
}

/** Takes an upload to its next state, unless somebody else did since `upload` was read. `DENIED` over the quota. */
export function advanceUpload(
  state: RegistryState,
  repository: string,
  upload: Upload,
  next: UploadState,
  now: number,
): OciResult<"advanced" | "overtaken"> {
  const current = findUpload(state, repository, upload.id);
  if (!current || current.version !== upload.version) return { ok: true, value: "overtaken" };
  const more = next.offset - current.state.offset;
  const checked = checkUntagged(state, more);
  if (!checked.ok) return checked;
  state.sql.addUntagged(more);
  state.sql.noteUpload(repository, now);
  const version = upload.version + 1;
  const first = upload.numbers?.first ?? next.partsGranted + 1;
  const partsGranted = grantedAfter(current.state.partsGranted, { first, state: next });
  const stored = JSON.stringify({ ...next, partsGranted });
  state.sql.updateUpload({ id: upload.id, version, state: stored, updated_at: now });
  const tail = current.state.tail?.key;
  if (tail !== undefined && tail !== next.tail?.key) state.sql.addGarbage(tail, null, now);
  if (next.tail) state.sql.deleteGarbage(next.tail.key);
  return { ok: true, value: "advanced" };
}

export function beginMultipart(
  state: RegistryState,
  repository: string,
  upload: Upload,
  multipartId: string,
  now: number,
): string | null {
  const current = findUpload(state, repository, upload.id);
  if (!current || current.version !== upload.version) return null;
  if (current.state.multipartId !== null) return current.state.multipartId;
  const next = JSON.stringify({ ...current.state, multipartId });
  state.sql.updateUpload({ id: upload.id, version: upload.version, state: next, updated_at: now });
  return multipartId;
}

/**
 * Ends an upload whose bytes were verified. Of equal blobs, the one that came first stays. `DENIED` over the quota, which
 * ends it too.
 */
export function finishUpload(
  state: RegistryState,
  repository: string,
  upload: Upload,
  blob: { digest: string; key: string; size: number },
  now: number,
): OciResult<null> {
  const current = findUpload(state, repository, upload.id);
  if (!current) return ociFail("BLOB_UPLOAD_UNKNOWN", `upload \`${upload.id}\` not found`);
  if (current.version !== upload.version) {
    return ociFail("BLOB_UPLOAD_INVALID", "the upload was added to while it was being finished");
  }
  const isNew = !state.sql.blob(blob.digest);
  const checked = checkUntagged(state, isNew ? blob.size - current.state.offset : 0);
  if (!checked.ok) {
    cancelUpload(state, repository, upload.id, [blob.key], now);
    return checked;
  }
  state.sql.deleteUpload(upload.id);
  state.sql.addUntagged((isNew ? blob.size : 0) - current.state.offset);
  const leftOver = new Set(
    [current.state.tail?.key, upload.state.tail?.key, blob.key].filter((key) => key !== undefined),
  );
  if (isNew) {
    state.sql.insertBlob(blob.digest, blob.key, blob.size);
    leftOver.delete(blob.key);
    state.sql.deleteGarbage(blob.key);
  }
  const { multipartId } = current.state;
  if (multipartId !== null && blob.key !== current.key) {
    state.sql.addGarbage(current.key, multipartId, now);
  }
  for (const key of leftOver) state.sql.addGarbage(key, null, now);
  linkBlob(state, repository, blob.digest, now);
  return { ok: true, value: null };
}

/** Ends an upload that nothing came of. */
export function dropUpload({ sql }: RegistryState, row: UploadRow, now: number): void {
  const state = uploadState(row);
  sql.addGarbage(row.key, state.multipartId, now);
  if (state.tail) sql.addGarbage(state.tail.key, null, now);
  sql.addUntagged(-state.offset);
  sql.deleteUpload(row.id);
}

/** The same for one that is named. @param leftOver keys that it has written. @returns whether there was one */
export function cancelUpload(
  state: RegistryState,
  repository: string,
  id: string,
  leftOver: readonly string[],
  now: number,
): boolean {
  const row = state.sql.upload(id);
  if (row?.repository !== repository) return false;
  dropUpload(state, row, now);
  for (const key of leftOver) state.sql.addGarbage(key, null, now);
  return true;
}
