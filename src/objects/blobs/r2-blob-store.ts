import { blobStoreTimeoutMs } from "../../domain/limits.ts";
import { inTime } from "../failures/in-time.ts";
import { type BlobStore, UploadLost } from "./blob-store.ts";

const deletedAtOnce = 1000;
/** R2's code for a multipart upload that is not there (any more). */
const noSuchUpload = /\(10024\)/;
/** … and those by which parts are missing, or do not make an object: too small, of several sizes. */
const lost = /\((10024|10025|10011|10048)\)/;

async function orLost<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof Error && lost.test(error.message))
      throw new UploadLost(error.message, { cause: error });
    throw error;
  }
}

/** Bytes in an R2 bucket. A call rejects where it is not answered in time; a stream may take as long as it has bytes. */
export function r2BlobStore(bucket: R2Bucket): BlobStore {
  return {
    async put(key, body) {
      const put = bucket.put(key, body);
      await (body instanceof Uint8Array ? inTime(put, blobStoreTimeoutMs) : put);
    },
    async get(key, range) {
      const object = await bucket.get(
        key,
        range ? { range: { offset: range.start, length: range.end - range.start + 1 } } : {},
      );
      return object?.body ?? null;
    },
    async size(key) {
      return (await bucket.head(key))?.size ?? null;
    },
    async delete(keys) {
      for (let from = 0; from < keys.length; from += deletedAtOnce) {
        await bucket.delete(keys.slice(from, from + deletedAtOnce));
      }
    },

    async createMultipart(key) {
      return (await bucket.createMultipartUpload(key)).uploadId;
    },
    async putPart(key, multipartId, part, bytes) {
      const uploading = bucket.resumeMultipartUpload(key, multipartId).uploadPart(part, bytes);
      return (await orLost(inTime(uploading, blobStoreTimeoutMs))).etag;
    },
    async completeMultipart(key, multipartId, parts) {
      const numbered = parts.map(({ part, etag }) => ({ partNumber: part, etag }));
      await orLost(bucket.resumeMultipartUpload(key, multipartId).complete(numbered));
    },
    async abortMultipart(key, multipartId) {
      try {
        await bucket.resumeMultipartUpload(key, multipartId).abort();
      } catch (error) {
        if (!(error instanceof Error && noSuchUpload.test(error.message))) throw error;
      }
    },
  };
}
