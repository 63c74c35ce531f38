import { describe, expect, test } from "vitest";
import { blobPartBytes } from "../../../src/domain/limits.ts";
import type { StoredPart } from "../../../src/domain/registry/upload.ts";
import { type BlobStore, UploadLost } from "../../../src/objects/blobs/blob-store.ts";
import { sha, someBytes } from "../../support/worker/registry.ts";

/** What every blob store does. @param store gives the store, once the tests run */
export function blobStoreCases(store: () => BlobStore): void {
  const newKey = () => `acme/${crypto.randomUUID()}`;

  async function read(key: string, range?: { start: number; end: number }): Promise<Uint8Array | null> {
    const stream = await store().get(key, range);
    return stream && new Uint8Array(await new Response(stream).arrayBuffer());
  }

  /** A stream that comes from outside, as a request's body does. */
  function streamOf(bytes: Uint8Array<ArrayBuffer>, length = bytes.byteLength): ReadableStream<Uint8Array> {
    const { readable, writable } = new FixedLengthStream(length);
    const writer = writable.getWriter();
    writer
      .write(bytes)
      .then(() => writer.close())
      .catch(() => {});
    return readable;
  }

  describe("what is put", () => {
    test.each([0, 1, 70_000])("from memory is there, with its length: %i bytes", async (length) => {
      const [key, bytes] = [newKey(), someBytes(length)];
      await store().put(key, bytes, length);
      expect(await store().size(key)).toBe(length);
      expect(await read(key)).toEqual(bytes);
    });

    test("from a stream is there", async () => {
      const [key, bytes] = [newKey(), someBytes(6_000_000)];
      await store().put(key, streamOf(bytes), bytes.byteLength);
      expect(await sha((await read(key)) ?? new Uint8Array())).toBe(await sha(bytes));
    });

    test("again takes the place of what was there", async () => {
      const key = newKey();
      await store().put(key, new Uint8Array([1, 2]), 2);
      await store().put(key, new Uint8Array([3]), 1);
      expect(await read(key)).toEqual(new Uint8Array([3]));
    });

    test("from a stream that ends early is refused, and nothing is there", async () => {
      const key = newKey();
      await expect(store().put(key, streamOf(someBytes(10), 20), 20)).rejects.toThrow();
      expect(await store().size(key)).toBeNull();
    });

    test("is read in part", async () => {
      const [key, bytes] = [newKey(), someBytes(1000)];
      await store().put(key, bytes, 1000);
      expect(await read(key, { start: 0, end: 0 })).toEqual(bytes.subarray(0, 1));
      expect(await read(key, { start: 10, end: 99 })).toEqual(bytes.subarray(10, 100));
      expect(await read(key, { start: 990, end: 999 })).toEqual(bytes.subarray(990));
    });

    test("is gone when it was deleted, and deleting what is not there is fine", async () => {
      const keys = [newKey(), newKey()];
      for (const key of keys) await store().put(key, new Uint8Array([1]), 1);
      await store().delete([...keys, newKey()]);
      for (const key of keys) expect([await read(key), await store().size(key)]).toEqual([null, null]);
      await store().delete(keys);
      await store().delete([]);
    });
  });

  test("what was never put is not there", async () => {
    expect([await read(newKey()), await store().size(newKey())]).toEqual([null, null]);
  });

  describe("what comes in parts", () => {
    test.each([
      [
        "with numbers between which some are missing, and the last shorter",
        [blobPartBytes, blobPartBytes, 17],
      ],
      ["that are all full", [blobPartBytes, blobPartBytes]],
      ["of which there is one", [3]],
    ])("%s, is there when it is completed and not before", async (_, lengths) => {
      const key = newKey();
      const parts = lengths.map(someBytes);
      const id = await store().createMultipart(key);
      const stored: StoredPart[] = [];
      for (const [i, bytes] of parts.entries()) {
        const part = 3 * i + 1;
        stored.push({ part, etag: await store().putPart(key, id, part, bytes) });
      }
      expect(await store().size(key)).toBeNull();
      await store().completeMultipart(key, id, stored);
      const whole = await new Blob(parts).arrayBuffer();
      expect(await store().size(key)).toBe(whole.byteLength);
      expect(await sha((await read(key)) ?? new Uint8Array())).toBe(await sha(whole));
    });

    test("again takes the place of a part that came before", async () => {
      const key = newKey();
      const id = await store().createMultipart(key);
      await store().putPart(key, id, 1, someBytes(10));
      const bytes = someBytes(20);
      await store().completeMultipart(key, id, [{ part: 1, etag: await store().putPart(key, id, 1, bytes) }]);
      expect(await read(key)).toEqual(bytes);
    });

    test("is not completed with a part that another one has taken the place of", async () => {
      const key = newKey();
      const id = await store().createMultipart(key);
      const first = await store().putPart(key, id, 1, someBytes(10));
      await store().putPart(key, id, 1, someBytes(10));
      await expect(store().completeMultipart(key, id, [{ part: 1, etag: first }])).rejects.toThrow(
        UploadLost,
      );
      expect(await store().size(key)).toBeNull();
    });

    test("is not there when it was aborted, and aborting twice is fine", async () => {
      const key = newKey();
      const id = await store().createMultipart(key);
      const etag = await store().putPart(key, id, 1, someBytes(10));
      await store().abortMultipart(key, id);
      await store().abortMultipart(key, id);
      await expect(store().completeMultipart(key, id, [{ part: 1, etag }])).rejects.toThrow(UploadLost);
      await expect(store().putPart(key, id, 2, someBytes(10))).rejects.toThrow(UploadLost);
      expect(await store().size(key)).toBeNull();
    });

    test("stays when it is aborted after it was completed", async () => {
      const key = newKey();
      const id = await store().createMultipart(key);
      await store().completeMultipart(key, id, [
        { part: 1, etag: await store().putPart(key, id, 1, someBytes(10)) },
      ]);
      await store().abortMultipart(key, id);
      expect(await store().size(key)).toBe(10);
    });
  });
}
