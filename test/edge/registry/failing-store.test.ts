import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { blobPartBytes } from "../../../src/domain/limits.ts";
import { TokenCache } from "../../../src/edge/admission/token-cache.ts";
import { endpoints } from "../../../src/edge/registry/endpoints.ts";
import { createRegistryApp } from "../../../src/edge/registry/registry-app.ts";
import type { Env } from "../../../src/objects/env.ts";
import { createAccount, createService, type TestAccount } from "../../support/worker/api.ts";
import { basic, refusalOf, registryClient, sha, someBytes } from "../../support/worker/registry.ts";

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

/** What is no fault of the client's, and passes: clients of registries repeat it. */
async function expectToBeRepeated(answer: Response): Promise<void> {
  expect(answer.headers.get("retry-after")).toBe("1");
  expect(await refusalOf(answer)).toEqual([503, "TOOMANYREQUESTS"]);
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
    statuses.push(answer.status);
    if (answer.status >= 500) await expectToBeRepeated(answer);
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

/** Every call fails, of R2's as it documents, and of an S3 server's. One that is put reads some of it before. */
const failingStores: [name: string, () => Env][] = [
  [
    "R2",
    () => {
      const fail = () =>
        Promise.reject(new Error("We encountered an internal error. Please try again. (10001)"));
      const bucket = new Proxy(theBucket(), {
        get: (_, property) => {
          if (property === "put") return putThatFails(fail);
          return property === "resumeMultipartUpload"
            ? () => ({ uploadPart: fail, complete: fail, abort: fail })
            : fail;
        },
      });
      return { ...env, BLOBS: bucket };
    },
  ],
  [
    "an S3 server",
    () => {
      const { BLOBS: _, ...others } = env;
      const answer = () => new Response("<Error><Code>SlowDown</Code></Error>", { status: 503 });
      vi.spyOn(globalThis, "fetch").mockImplementation(async (_, init) => {
        if (init?.body instanceof ReadableStream) await init.body.cancel();
        return answer();
      });
      return { ...others, S3_ENDPOINT: "https://s3.test", S3_BUCKET: "b" };
    },
  ],
];

function putThatFails(fail: () => Promise<never>) {
  return async (_key: string, body: ReadableStream | Uint8Array) => {
    if (body instanceof ReadableStream) {
      const reader = body.getReader();
      await reader.read();
      await reader.cancel(new Error("the store takes no more"));
    }
    return fail();
  };
}

describe.each(failingStores)("while %s fails", (_, failing) => {
  const large = blobPartBytes + 1;
  /** Of an upload that has begun, with bytes or none. */
  type Sent = { begun?: "empty" | "with bytes"; query?: "digest"; body?: number; isStream?: boolean };
  /** The requests of each endpoint that need the store. */
  const needing: Record<string, Sent[]> = {
    "POST /v2/:name/blobs/uploads/": [
      { query: "digest", body: 9 },
      { query: "digest", body: large },
    ],
    "PATCH /v2/:name/blobs/uploads/:id": [
      { begun: "empty", body: 9 },
      { begun: "empty", body: large },
      { begun: "empty", body: large, isStream: true },
      { begun: "with bytes", body: 9 },
    ],
    "PUT /v2/:name/blobs/uploads/:id": [
      { begun: "empty", query: "digest" },
      { begun: "empty", query: "digest", body: large },
      { begun: "with bytes", query: "digest" },
      { begun: "with bytes", query: "digest", body: 9 },
    ],
    "GET /v2/:name/blobs/:digest": [{}],
  };
  const requests = endpoints.flatMap(({ path, methods }) =>
    Object.keys(methods).flatMap((method) => {
      const sent = needing[`${method} ${path}`];
      return (sent ?? [{ begun: "empty" as const }]).map((one) => ({
        method,
        path,
        ...one,
        needs: sent !== undefined,
      }));
    }),
  );

  test.each(requests)(
    "$method $path is 503 where it needs the store: $begun $query $body $isStream",
    async (request) => {
      const { method, path, begun, query, body, isStream, needs } = request;
      const client = registryClient(account, account.admin);
      const image = await client.pushImage("v1");
      const { authorization } = client;
      const location =
        begun && (await client.request("blobs/uploads/", { method: "POST" })).headers.get("location");
      const id = location?.split("/").pop() ?? "";
      const first = someBytes(7);
      // Bytes that were not hashed in one piece.
      if (begun === "with bytes") {
        for (const part of [first.slice(0, 3), first.slice(3)]) {
          await client.request(`blobs/uploads/${id}`, { method: "PATCH", body: part });
        }
      }
      const bytes = someBytes(body ?? 0);
      const whole = begun === "with bytes" ? await new Blob([first, bytes]).arrayBuffer() : bytes;
      const filled = path
        .replace(":name", client.name)
        .replace(":id", id)
        .replace(":digest", image.layer.digest)
        .replace(":reference", "v1");
      const url = `http://api.test${filled}${query ? `?digest=${await sha(whole)}` : ""}`;
      const content = isStream ? new Blob([bytes]).stream() : bytes;
      const init = { method, headers: { authorization }, ...(body === undefined ? {} : { body: content }) };
      const app = createRegistryApp(new TokenCache(Date.now), Date.now);
      const bindings = failing();
      onTestFinished(() => void vi.spyOn(globalThis, "fetch").mockRestore());
      const answer = await app.fetch(new Request(url, init), bindings);
      if (needs) await expectToBeRepeated(answer);
      else expect(answer.status).toBeLessThan(500);
    },
  );
});
