import type { BlobStore } from "./blob-store.ts";
import { r2BlobStore } from "./r2-blob-store.ts";
import { s3BlobStore } from "./s3-blob-store.ts";

/** What of the Worker's bindings says where bytes lie. */
export interface BlobBindings {
  BLOBS?: R2Bucket;
  S3_ENDPOINT?: string;
  S3_BUCKET?: string;
  S3_REGION?: string;
  S3_ACCESS_KEY_ID?: string;
  S3_SECRET_ACCESS_KEY?: string;
}

/**
 * The store of a deployment: the S3 server that it names, else its R2 bucket.
 * @returns null where it has neither, and thus no registry
 */
export function chooseBlobStore(bindings: BlobBindings): BlobStore | null {
  const { S3_ENDPOINT: endpoint = "", S3_BUCKET: bucket = "" } = bindings;
  if (endpoint !== "" && bucket !== "") {
    return s3BlobStore({
      endpoint,
      bucket,
      region: bindings.S3_REGION || "auto",
      accessKeyId: bindings.S3_ACCESS_KEY_ID ?? "",
      secretAccessKey: bindings.S3_SECRET_ACCESS_KEY ?? "",
    });
  }
  return bindings.BLOBS ? r2BlobStore(bindings.BLOBS) : null;
}
