import { blobPartBytes, blobPartsMax, blobPutMaxBytes } from "../limits.ts";

/**
 * How much of a blob has arrived and where it lies: parts of `blobPartBytes` in a multipart upload, and after them
 * what does not fill a part yet, under a key of its own. Without parts, the tail is all there is and may be of any
 * length, so that it can become the blob as it is.
 */
export interface UploadState {
  /** Bytes that have arrived. */
  offset: number;
  multipartId: string | null;
  /** In their order, which is that of their numbers; some numbers are missing. */
  parts: readonly StoredPart[];
  /** The highest number of a part that an attempt has been granted. */
  partsGranted: number;
  tail: { key: string; length: number } | null;
  /** The digest of all bytes so far, where they came in one piece and were hashed on their way. */
  digest: string | null;
}

/** A part of a multipart upload: its number, and the tag that the store gave it. */
export interface StoredPart {
  part: number;
  etag: string;
}

/** Numbers of parts, from `first` on. One attempt has them alone: another one at the same bytes overwrites nothing of it. */
export interface PartNumbers {
  first: number;
  count: number;
}

/** An upload of which nothing has arrived. */
export const emptyUpload: UploadState = {
  offset: 0,
  multipartId: null,
  parts: [],
  partsGranted: 0,
  tail: null,
  digest: null,
};

/** Bytes of a blob, by their numbers from 0; both ends are included. */
export interface ByteRange {
  start: number;
  end: number;
}

/** What is done with a chunk. */
export type ChunkVerdict =
  /** Its bytes go behind those that have arrived. */
  | { verdict: "append" }
  /** OCI Distribution 1.1, "Pushing a blob in chunks": 416. */
  | { verdict: "out_of_order" }
  /** What its headers say of it does not agree. */
  | { verdict: "malformed"; message: string };

/**
 * Whether a chunk may be added to an upload.
 * @param offset how many bytes have arrived
 * @param range what `Content-Range` says of it; null where it says nothing, which means "at the end"
 * @param length what `Content-Length` says, in bytes; null where it is not known
 */
export function judgeChunk(offset: number, range: ByteRange | null, length: number | null): ChunkVerdict {
  if (range === null) return { verdict: "append" };
  if (range.start !== offset) return { verdict: "out_of_order" };
  const announced = range.end - range.start + 1;
  if (announced < 0 || (length !== null && announced !== length)) {
    const message = `Content-Range announces ${announced} bytes and Content-Length ${length}`;
    return { verdict: "malformed", message };
  }
  return { verdict: "append" };
}

/**
 * How bytes are stored. `put`: as they come, under one key, since their number is known and nothing came before.
 * `parts`: cut to parts of a fixed size, each held in memory on its way.
 * @param length what `Content-Length` says, in bytes; null where it is not known
 */
export function wayToStore(state: UploadState, length: number | null): "put" | "parts" {
  if (length === null || state.offset > 0) return "parts";
  return length > blobPartBytes && length <= blobPutMaxBytes ? "put" : "parts";
}

/** How many numbers an attempt is granted at a time where it is not known how many it needs. */
const partsGrantedAtOnce = 256;

/**
 * The numbers for the parts of one attempt. Those of an attempt that came to nothing are lost.
 * @param length what it brings, in bytes; null where that is not known
 * @returns null where there are not enough left: the upload cannot be completed any more
 */
export function grantParts(state: UploadState, length: number | null): PartNumbers | null {
  const left = blobPartsMax - state.partsGranted;
  const first = state.partsGranted + 1;
  if (wayToStore(state, length) === "put") return { first, count: 0 };
  if (length === null) return left === 0 ? null : { first, count: Math.min(left, partsGrantedAtOnce) };
  const count = Math.ceil(((state.tail?.length ?? 0) + length) / blobPartBytes);
  return count > left ? null : { first, count };
}

/**
 * The highest number that is granted after an attempt has succeeded: what it did not use is granted anew, unless another
 * attempt was granted some since.
 * @param granted now
 * @param attempt `first` of the numbers that it was granted, and its state at the end
 */
export function grantedAfter(granted: number, attempt: { first: number; state: UploadState }): number {
  if (attempt.state.partsGranted !== granted) return granted;
  return Math.max(attempt.first - 1, attempt.state.parts.at(-1)?.part ?? 0);
}

/** Whether a request brings bytes, by its headers. @param length what `Content-Length` says; null where it is not known */
export function bringsBytes(hasBody: boolean, length: number | null): boolean {
  return hasBody && length !== 0;
}

/** The beginning of an upload; null where it was not noted. */
export interface UploadBeginning {
  /** The id of the access token or session that it was begun with. */
  credentialId: string | null;
  /** In milliseconds since the epoch. */
  at: number | null;
}

/**
 * Whether whoever holds a registry token that has expired may go on with an upload. One that takes longer than its token is
 * good was allowed when it began; what is behind the token must still permit it, which is looked up beside this.
 * @param token the credential that it was granted to, and when it expired, in milliseconds since the epoch
 */
export function mayGoOn(
  { credentialId, at }: UploadBeginning,
  token: { credentialId: string; lapsedAt: number },
): boolean {
  return credentialId === token.credentialId && at !== null && at < token.lapsedAt;
}
