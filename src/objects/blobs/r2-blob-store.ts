import { blobStoreTimeoutMs } from "../../domain/limits.ts";
import { inTime } from "../failures/in-time.ts";
import { budgetSpent, runtimeFailed, unreached } from "../failures/unreached.ts";
import { type BlobStore, StoreUnavailable, UploadLost } from "./blob-store.ts";

const deletedAtOnce = 1000;
/** R2's code for a multipart upload that is not there (any more). */
const noSuchUpload = /\(10024\)/;
/** … and those by which parts are missing, or do not make an object: too small, of several sizes. */
const lost = /\((10024|10025|10011|10048)\)/;

/** … and those of a bucket that is not there, or that the account may not use: no repetition helps. */
const refused = /\((10002|10003|10006|10042)\)/;

/** What a call of the bucket gives, or the failure that a `BlobStore` has. */
async function called<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    // A `TypeError` says that the call was wrong.
    if (!(error instanceof Error) || error instanceof TypeError || isKnown(error)) throw error;
    const { message } = error;
    if (lost.test(message)) throw new UploadLost(message, { cause: error });
    if (refused.test(message)) throw error;
    throw new StoreUnavailable(message, { cause: error });
  }
}

function isKnown(error: Error): boolean {
  return unreached(error) || budgetSpent(error) || runtimeFailed(error);
}

/** Bytes in an R2 bucket. A call rejects where it is not answered in time; a stream may take as long as it has bytes. */
export function r2BlobStore(bucket: R2Bucket): BlobStore {
  return {
    async put(key, body) {
      const put = bucket.put(key, body);
      await called(body instanceof Uint8Array ? inTime(put, blobStoreTimeoutMs) : put);
    },
    async get(key, range) {
      const options = range ? { range: { offset: range.start, length: range.end - range.start + 1 } } : {};
      const object = await called(bucket.get(key, options));
      return object?.body ?? null;
    },
    async size(key) {
      return (await called(bucket.head(key)))?.size ?? null;
    },
    async delete(keys) {
      for (let from = 0; from < keys.length; from += deletedAtOnce) {
        await called(bucket.delete(keys.slice(from, from + deletedAtOnce)));
      }
    },

    async createMultipart(key) {
      return (await called(bucket.createMultipartUpload(key))).uploadId;
    },
    async putPart(key, multipartId, part, bytes) {
      const uploading = bucket.resumeMultipartUpload(key, multipartId).uploadPart(part, bytes);
      return (await called(inTime(uploading, blobStoreTimeoutMs))).etag;
    },
    async completeMultipart(key, multipartId, parts) {
      const numbered = parts.map(({ part, etag }) => ({ partNumber: part, etag }));
      await called(bucket.resumeMultipartUpload(key, multipartId).complete(numbered));
    },
    async abortMultipart(key, multipartId) {
      try {
        await called(bucket.resumeMultipartUpload(key, multipartId).abort());
      } catch (error) {
        if (!(error instanceof Error && noSuchUpload.test(error.message))) throw error;
      }
    },
  };
}
