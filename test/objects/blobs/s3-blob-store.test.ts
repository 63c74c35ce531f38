import { describe, expect, inject, test } from "vitest";
import { s3BlobStore } from "../../../src/objects/blobs/s3-blob-store.ts";
import "../../support/remote/hostile-place.ts";
import type { S3Place } from "../../support/registry/s3-place.ts";
import { blobStoreCases } from "./blob-store.case.ts";

const place: S3Place = inject("s3");
const settings = { region: "auto", ...place };

describe("bytes on an S3 server", () => {
  blobStoreCases(() => s3BlobStore(settings));

  test("are refused to whoever has another secret", async () => {
    const store = s3BlobStore({ ...settings, secretAccessKey: "another one" });
    await expect(store.put("acme/key", new Uint8Array([1]), 1)).rejects.toThrow("S3 answered 403 to PUT");
    await expect(store.get("acme/key")).rejects.toThrow("403");
  });

  test("are neither sent nor fetched where a redirect leads, and their signature is not either", async () => {
    const store = s3BlobStore({ ...settings, endpoint: `${inject("hostile").url}/redirect` });
    const bytes = new Uint8Array([1]);
    await expect(store.put("acme/key", bytes, 1)).rejects.toThrow("S3 answered 307 to PUT");
    await expect(store.get("acme/key")).rejects.toThrow("S3 answered 307 to GET");
    await expect(store.size("acme/key")).rejects.toThrow("S3 answered 307 to HEAD");
    await expect(store.delete(["acme/key"])).rejects.toThrow("S3 answered 307 to DELETE");
    await expect(store.createMultipart("acme/key")).rejects.toThrow("S3 answered 307 to POST");
  });
});
