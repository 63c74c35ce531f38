import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { blobPartBytes, blobStoreTimeoutMs } from "../../../src/domain/limits.ts";
import { emptyUpload } from "../../../src/domain/registry/upload.ts";
import { PartRoom } from "../../../src/edge/registry/part-room.ts";
import { receive } from "../../../src/edge/registry/receive.ts";
import type { BlobStore } from "../../../src/objects/blobs/blob-store.ts";
import { r2BlobStore } from "../../../src/objects/blobs/r2-blob-store.ts";
import { someBytes } from "../../support/worker/registry.ts";

/* As R2 on one machine is where its disk is full: it gives no answer, and reads what it is sent or not. */

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const never = new Promise<never>(() => {});

/** A store whose puts get no answer. @param takes what it does with the bytes */
function silentStore(takes: (body: ReadableStream<Uint8Array>) => Promise<unknown>): BlobStore {
  const bucket = env.BLOBS;
  if (!bucket) throw new Error("there is no bucket");
  return {
    ...r2BlobStore(bucket),
    put: async (_, body) => {
      if (body instanceof ReadableStream) await takes(body);
      return never;
    },
  };
}

async function outcomeOf(receiving: Promise<unknown>): Promise<unknown> {
  const outcome = receiving.then(
    () => "received",
    ({ name }: Error) => name,
  );
  await vi.waitUntil(() => vi.getTimerCount() > 0);
  await vi.advanceTimersByTimeAsync(blobStoreTimeoutMs);
  return outcome;
}

const upload = {
  id: "u",
  key: "k",
  version: 0,
  state: emptyUpload,
  begun: { credentialId: "c", at: 0 },
  chunkKey: "k-1",
  numbers: { first: 1, count: 2 },
  room: null,
};

describe("a blob store that gives no answer has failed after a while", () => {
  test.each<[string, (body: ReadableStream<Uint8Array>) => Promise<unknown>]>([
    ["and takes no bytes", async () => {}],
    ["and takes all of them", (body) => body.pipeTo(new WritableStream())],
  ])("%s", async (_, takes) => {
    const bytes = someBytes(blobPartBytes + 1);
    const ports = {
      store: silentStore(takes),
      room: new PartRoom(Date.now).of("acme"),
      beginMultipart: async (id: string) => id,
      moreParts: async () => null,
    };
    const body = new Blob([bytes]).stream();
    const receiving = receive(ports, upload, { body, length: bytes.byteLength }, "sha256");
    expect(await outcomeOf(receiving)).toBe("TimeoutError");
  });

  test("to the put of a piece, and to a part", async () => {
    const bucket = env.BLOBS;
    if (!bucket) throw new Error("there is no bucket");
    const store = r2BlobStore(bucket);
    const multipartId = await store.createMultipart("silent");
    vi.spyOn(bucket, "put").mockReturnValue(never);
    expect(await outcomeOf(store.put("silent-tail", someBytes(3), 3))).toBe("TimeoutError");
    const part = await bucket.createMultipartUpload("silent");
    vi.spyOn(part, "uploadPart").mockReturnValue(never);
    vi.spyOn(bucket, "resumeMultipartUpload").mockReturnValue(part);
    expect(await outcomeOf(store.putPart("silent", multipartId, 1, someBytes(blobPartBytes)))).toBe(
      "TimeoutError",
    );
  });
});
