import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test, vi } from "vitest";
import { type BlobStore, StoreUnavailable, UploadLost } from "../../../src/objects/blobs/blob-store.ts";
import { r2BlobStore } from "../../../src/objects/blobs/r2-blob-store.ts";
import { s3BlobStore } from "../../../src/objects/blobs/s3-blob-store.ts";
import { storageFull, unreached } from "../../../src/objects/failures/unreached.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

const s3 = () =>
  s3BlobStore({
    ...{ endpoint: "https://s3.test", bucket: "b", region: "auto" },
    ...{ accessKeyId: "", secretAccessKey: "" },
  });

/** What of a store's failure its callers see: that it passes, that the upload begins anew, or that somebody has to mend it. */
async function kindOf(call: Promise<unknown>): Promise<string> {
  const error = await call.then(
    () => expect.unreachable("the store has failed"),
    (error: unknown) => error,
  );
  if (error instanceof UploadLost) return "lost";
  if (storageFull(error)) return "full";
  expect(unreached(error)).toBe(error instanceof StoreUnavailable);
  return error instanceof StoreUnavailable ? "passes" : "stays";
}

/** Each call that a store makes. */
const calls: ((store: BlobStore) => Promise<unknown>)[] = [
  (store) => store.put("k", new Uint8Array(1), 1),
  (store) => store.get("k"),
  (store) => store.size("k"),
  (store) => store.delete(["k"]),
  (store) => store.createMultipart("k"),
  (store) => store.putPart("k", "id", 1, new Uint8Array(1)),
  (store) => store.completeMultipart("k", "id", [{ part: 1, etag: "e" }]),
  (store) => store.abortMultipart("k", "id"),
];

describe("a failure of an S3 server", () => {
  test.each([
    [500, "InternalError", "passes"],
    [503, "SlowDown", "passes"],
    [502, "", "passes"],
    [429, "", "passes"],
    [400, "RequestTimeout", "passes"],
    [409, "OperationAborted", "passes"],
    [507, "XMinioStorageFull", "full"],
    [403, "AccessDenied", "stays"],
    [400, "InvalidArgument", "stays"],
    [400, "EntityTooSmall", "lost"],
  ])("%i %s %s", async (status, code, kind) => {
    for (const call of calls) {
      const answer = new Response(`<Error><Code>${code}</Code></Error>`, { status });
      vi.spyOn(globalThis, "fetch").mockResolvedValueOnce(answer);
      expect(await kindOf(call(s3()))).toBe(kind);
    }
  });

  test("that comes late, with the status 200, is one as well", async () => {
    const answer = new Response("<Error><Code>InternalError</Code></Error>", { status: 200 });
    vi.spyOn(globalThis, "fetch").mockResolvedValueOnce(answer);
    expect(await kindOf(s3().completeMultipart("k", "id", [{ part: 1, etag: "e" }]))).toBe("passes");
  });
});

describe("a failure of R2", () => {
  test.each([
    ["We encountered an internal error. Please try again. (10001)", "passes"],
    ["Something that it does not document. (19999)", "passes"],
    ["The account has no R2 bucket. (10042)", "stays"],
    ["The specified part could not be found. (10025)", "lost"],
  ])("%s %s", async (message, kind) => {
    const fail = () => Promise.reject(new Error(message));
    if (!env.BLOBS) throw new Error("there is no bucket");
    const bucket = new Proxy(env.BLOBS, {
      get: (_, property) =>
        property === "resumeMultipartUpload"
          ? () => ({ uploadPart: fail, complete: fail, abort: fail })
          : fail,
    });
    for (const call of calls) expect(await kindOf(call(r2BlobStore(bucket)))).toBe(kind);
  });
});
