import type { ByteRange, StoredPart } from "../../domain/registry/upload.ts";

/** What an upload had stored is gone, or cannot be joined: no repetition mends it, and the upload begins anew. */
export class UploadLost extends Error {}

/** The store could not do what was requested, and may do it when it is requested again. */
export class StoreUnavailable extends Error {
  /** The mark of what may be retried (`../failures/unreached.ts`). */
  readonly retryable = true;
}

/**
 * Where bytes lie, under keys that nobody outside sees. Each method may be repeated. It throws when the store cannot be reached or
 * refuses: `StoreUnavailable`, or what `unreached` knows, where that passes, and else what it is that somebody has to mend.
 */
export interface BlobStore {
  /**
   * Stores `length` bytes under a key, or nothing.
   * @param body a stream gives exactly `length` bytes, or the put fails
   */
  put(key: string, body: ReadableStream<Uint8Array> | Uint8Array<ArrayBuffer>, length: number): Promise<void>;
  /** The bytes under a key, or a range of them that lies within them. Null where there is nothing. */
  get(key: string, range?: ByteRange): Promise<ReadableStream<Uint8Array> | null>;
  /** The length under a key in bytes, null where there is nothing. */
  size(key: string): Promise<number | null>;
  /** Keys with nothing under them are fine. */
  delete(keys: readonly string[]): Promise<void>;

  /** Begins an object that comes in parts. Until it is completed, nothing is under its key. @returns its id */
  createMultipart(key: string): Promise<string>;
  /**
   * @param part from 1 on
   * @param bytes `blobPartBytes` of them, fewer in the last part only
   * @returns the part's tag, for the completion. Throws `UploadLost` where the multipart upload is not there (any more)
   */
  putPart(key: string, multipartId: string, part: number, bytes: Uint8Array<ArrayBuffer>): Promise<string>;
  /**
   * @param parts by their numbers, between which others may be missing. Throws `UploadLost` where the upload, or one of them,
   *   is not there (any more)
   */
  completeMultipart(key: string, multipartId: string, parts: readonly StoredPart[]): Promise<void>;
  /** One that was completed or aborted already is fine. */
  abortMultipart(key: string, multipartId: string): Promise<void>;
}
