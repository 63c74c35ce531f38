import { env } from "cloudflare:workers";
import { describe } from "vitest";
import { r2BlobStore } from "../../../src/objects/blobs/r2-blob-store.ts";
import { blobStoreCases } from "./blob-store.case.ts";

describe("bytes in R2", () => {
  blobStoreCases(() => {
    if (!env.BLOBS) throw new Error("the tests have no bucket");
    return r2BlobStore(env.BLOBS);
  });
});
