import { blobPartBytes, blobPutMaxBytes } from "../limits.ts";

/**
 * How much of a blob has arrived and where it lies: parts of `blobPartBytes` in a multipart upload, and after them
 * what does not fill a part yet, under a key of its own. Without parts, the tail is all there is and may be of any
 * length, so that it can become the blob as it is.
 */
export interface UploadState {
  /** Bytes that have arrived. */
  offset: number;
  multipartId: string | null;
  partEtags: readonly string[];
  tail: { key: string; length: number } | null;
  /** The digest of all bytes so far, where they came in one piece and were hashed on their way. */
  digest: string | null;
}

/** An upload of which nothing has arrived. */
export const emptyUpload: UploadState = {
  offset: 0,
  multipartId: null,
  partEtags: [],
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

/** Whether a request brings bytes, by its headers. @param length what `Content-Length` says; null where it is not known */
export function bringsBytes(hasBody: boolean, length: number | null): boolean {
  return hasBody && length !== 0;
}
