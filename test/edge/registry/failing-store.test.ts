import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { blobPartBytes } from "../../../src/domain/limits.ts";
import { TokenCache } from "../../../src/edge/admission/token-cache.ts";
import { createRegistryApp } from "../../../src/edge/registry/registry-app.ts";
import { createAccount, createService, type TestAccount } from "../../support/worker/api.ts";
import { basic, sha, someBytes } from "../../support/worker/registry.ts";

/* An upload is driven through everything that its store can do to it, by a client that does what clients do. */

let account: TestAccount;

beforeAll(async () => {
  account = await createAccount();
  await createService(account);
  vi.spyOn(console, "error").mockReturnValue();
  return () => vi.restoreAllMocks();
});

type Fault =
  /** Nothing happens, and the call fails: the next one is answered. */
  | "fails"
  /** It happens, and its answer is lost. */
  | "answer lost"
  /** What the upload has stored is gone, for good. */
  | "gone";

/** A bucket that does `fault` to one of the calls of a method. @param calls gets the name of each */
function faultyBucket(
  bucket: R2Bucket,
  calls: string[],
  faulty: { call: string; nth: number; fault: Fault } | null,
): R2Bucket {
  async function through<T>(name: string, lose: () => Promise<unknown>, call: () => Promise<T>): Promise<T> {
    calls.push(name);
    const isNow = faulty?.call === name && calls.filter((made) => made === name).length === faulty.nth;
    if (!isNow) return call();
    if (faulty.fault === "fails") throw new Error("the store has failed");
    if (faulty.fault === "gone") await lose();
    const answer = await call();
    if (faulty.fault === "answer lost") throw new Error("the store's answer is lost");
    return answer;
  }

  const multipart = (upload: R2MultipartUpload): R2MultipartUpload => ({
    key: upload.key,
    uploadId: upload.uploadId,
    uploadPart: (part, bytes) =>
      through(
        "part",
        () => upload.abort(),
        () => upload.uploadPart(part, bytes),
      ),
    complete: (parts) =>
      through(
        "complete",
        () => upload.abort(),
        () => upload.complete(parts),
      ),
    abort: () => upload.abort(),
  });
  return new Proxy(bucket, {
    get(target, property) {
      switch (property) {
        case "put":
          return (key: string, body: ReadableStream | Uint8Array) =>
            through(
              "put",
              async () => {},
              () => target.put(key, body),
            );
        case "get":
          return (key: string) =>
            through(
              "get",
              () => target.delete(key),
              () => target.get(key),
            );
        case "head":
          return (key: string) =>
            through(
              "head",
              async () => {},
              () => target.head(key),
            );
        case "createMultipartUpload":
          return async (key: string) =>
            multipart(
              await through(
                "create",
                async () => {},
                () => target.createMultipartUpload(key),
              ),
            );
        case "resumeMultipartUpload":
          return (key: string, id: string) => multipart(target.resumeMultipartUpload(key, id));
        default:
          return Reflect.get(target, property, target);
      }
    },
  });
}

/** Chunks that leave a tail, use it, and end with parts behind a tail; the last one comes with the end or before it. */
const chunks = [3_000_000, blobPartBytes, 100].map(someBytes);
const ends = ["the last chunk in the PUT", "one chunk of unknown length"] as const;
type End = (typeof ends)[number];

/** Pushes a blob as a client does: what fails is repeated from where the upload is, and what is not found begins anew. */
async function push(end: End, bucket: R2Bucket): Promise<{ statuses: number[]; isThere: boolean }> {
  const app = createRegistryApp(new TokenCache(Date.now), Date.now);
  const authorization = basic(account.name, account.admin);
  const base = `/v2/${account.name}/hello/blobs`;
  const bytes = new Uint8Array(await new Blob(chunks).arrayBuffer());
  // Each blob is another one.
  bytes.set(someBytes(16), 0);
  const digest = await sha(bytes);
  const statuses: number[] = [];
  async function send(path: string, method: string, body?: BodyInit, headers: Record<string, string> = {}) {
    const init = { method, headers: { authorization, ...headers }, ...(body === undefined ? {} : { body }) };
    const answer = await app.fetch(new Request(`http://api.test${path}`, init), {
      ...env,
      BLOBS: bucket,
    });
    await answer.arrayBuffer();
    statuses.push(answer.status);
    return answer;
  }

  for (let attempts = 0; attempts < 6; attempts++) {
    const location = (await send(`${base}/uploads/`, "POST")).headers.get("location") ?? "";
    for (let steps = 0; steps < 12; steps++) {
      const at = await send(location, "GET");
      if (at.status === 404) break;
      const [, last = "0"] = at.headers.get("range")?.split("-") ?? [];
      const offset = last === "0" ? 0 : Number(last) + 1;
      const [first = new Uint8Array(), second = new Uint8Array()] = chunks;
      const boundaries =
        end === "one chunk of unknown length"
          ? [bytes.byteLength]
          : [first.byteLength, first.byteLength + second.byteLength, bytes.byteLength];
      const until = boundaries.find((boundary) => boundary > offset) ?? bytes.byteLength;
      const chunk = bytes.slice(offset, until);
      const isEnd = end === "the last chunk in the PUT" ? until === bytes.byteLength : chunk.byteLength === 0;
      if (!isEnd) {
        const body = end === "one chunk of unknown length" ? new Blob([chunk]).stream() : chunk;
        await send(location, "PATCH", body);
        continue;
      }
      const done = await send(
        `${location}?digest=${digest}`,
        "PUT",
        chunk.byteLength === 0 ? undefined : chunk,
      );
      if (done.status === 404) break;
      if (done.status !== 201) continue;
      const read = await app.fetch(
        new Request(`http://api.test${base}/${digest}`, { headers: { authorization } }),
        env,
      );
      return { statuses, isThere: (await sha(await read.arrayBuffer())) === digest };
    }
  }
  return { statuses, isThere: false };
}

function theBucket(): R2Bucket {
  if (!env.BLOBS) throw new Error("there is no bucket");
  return env.BLOBS;
}

describe.each(ends)("an upload with %s", (end) => {
  test.each<Fault>(["fails", "answer lost", "gone"])(
    "ends well, whichever call of its store is the one that goes wrong: %s",
    async (fault) => {
      const calls: string[] = [];
      await push(end, faultyBucket(theBucket(), calls, null));
      expect(calls).toEqual(expect.arrayContaining(["put", "create", "part", "complete"]));
      for (const [i, call] of calls.entries()) {
        const nth = calls.slice(0, i + 1).filter((made) => made === call).length;
        const { statuses, isThere } = await push(end, faultyBucket(theBucket(), [], { call, nth, fault }));
        const failed = statuses.filter((status) => status >= 500).length;
        expect({ call, nth, isThere, failed }).toEqual({
          call,
          nth,
          isThere: true,
          // What the client can mend, by another request or by beginning anew, is never a failure of ours.
          failed: fault === "gone" ? 0 : 1,
        });
      }
    },
    60_000,
  );
});
