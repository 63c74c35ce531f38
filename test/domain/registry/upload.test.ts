import { describe, expect, test } from "vitest";
import { blobPartBytes, blobPartsMax, blobPutMaxBytes } from "../../../src/domain/limits.ts";
import {
  bringsBytes,
  emptyUpload,
  grantedAfter,
  grantParts,
  judgeChunk,
  mayGoOn,
  wayToStore,
} from "../../../src/domain/registry/upload.ts";

describe("a chunk", () => {
  test.each([
    ["that says nothing is added at the end", 7, null, 3, "append"],
    ["that says nothing, of unknown length, is added at the end", 7, null, null, "append"],
    ["that begins at the end is added", 7, { start: 7, end: 9 }, 3, "append"],
    ["that begins at the end, of unknown length, is added", 7, { start: 7, end: 9 }, null, "append"],
    ["that begins after the end is out of order", 7, { start: 8, end: 10 }, 3, "out_of_order"],
    ["that begins before the end is out of order", 7, { start: 0, end: 2 }, 3, "out_of_order"],
    ["of another length than it says is malformed", 7, { start: 7, end: 9 }, 4, "malformed"],
    ["that ends before it begins is malformed", 7, { start: 7, end: 5 }, null, "malformed"],
    ["without a byte is added", 7, { start: 7, end: 6 }, null, "append"],
    ["that is out of order and malformed is out of order", 7, { start: 6, end: 9 }, 1, "out_of_order"],
  ] as const)("%s", (_, offset, range, length, verdict) => {
    expect(judgeChunk(offset, range, length).verdict).toBe(verdict);
  });
});

describe("bytes are stored", () => {
  const later = { ...emptyUpload, offset: 1 };
  test.each([
    ["in parts when their number is not known", emptyUpload, null, "parts"],
    ["in parts when they fit into one", emptyUpload, blobPartBytes, "parts"],
    ["in one put when they do not fit into a part", emptyUpload, blobPartBytes + 1, "put"],
    ["in one put up to its limit", emptyUpload, blobPutMaxBytes, "put"],
    ["in parts above the limit of a put", emptyUpload, blobPutMaxBytes + 1, "parts"],
    ["in parts when some came before", later, blobPartBytes + 1, "parts"],
  ] as const)("%s", (_, state, length, way) => {
    expect(wayToStore(state, length)).toBe(way);
  });
});

test("a request brings bytes when it has a body that is not said to be empty", () => {
  expect([
    bringsBytes(true, null),
    bringsBytes(true, 1),
    bringsBytes(true, 0),
    bringsBytes(false, null),
  ]).toEqual([true, true, false, false]);
});

describe("the numbers of an attempt's parts", () => {
  const upload = {
    ...emptyUpload,
    offset: blobPartBytes + 1,
    tail: { key: "k", length: 1 },
    partsGranted: 7,
  };

  test("come after all that were granted, as many as it needs where that is known", () => {
    expect(grantParts(upload, 2 * blobPartBytes)).toEqual({ first: 8, count: 3 });
    expect(grantParts(upload, 2 * blobPartBytes - 1)).toEqual({ first: 8, count: 2 });
    expect(grantParts(upload, 0)).toEqual({ first: 8, count: 1 });
    expect(grantParts(upload, null)).toEqual({ first: 8, count: 256 });
    expect(grantParts(emptyUpload, blobPartBytes + 1)).toEqual({ first: 1, count: 0 });
  });

  test("end with those that the store has", () => {
    const late = { ...upload, partsGranted: blobPartsMax - 2 };
    expect(grantParts(late, 2 * blobPartBytes - 1)).toEqual({ first: blobPartsMax - 1, count: 2 });
    expect(grantParts(late, 2 * blobPartBytes)).toBeNull();
    expect(grantParts(late, null)).toEqual({ first: blobPartsMax - 1, count: 2 });
    expect(grantParts({ ...upload, partsGranted: blobPartsMax }, null)).toBeNull();
  });

  test("that it did not use are granted anew, and never those of another attempt", () => {
    const used = { ...upload, parts: [{ part: 9, etag: "e" }], partsGranted: 20 };
    expect(grantedAfter(20, { first: 8, state: used })).toBe(9);
    expect(grantedAfter(20, { first: 15, state: used })).toBe(14);
    expect(grantedAfter(30, { first: 8, state: used })).toBe(30);
  });
});

test.each<[string, { credentialId: string | null; at: number | null }, boolean]>([
  ["began with its credential while it was good", { credentialId: "a", at: 999 }, true],
  ["began when it had expired", { credentialId: "a", at: 1000 }, false],
  ["began with another credential", { credentialId: "b", at: 999 }, false],
  ["began before that was noted", { credentialId: null, at: null }, false],
])("a registry token that has expired goes on with an upload that %s: %#", (_, begun, may) => {
  expect(mayGoOn(begun, { credentialId: "a", lapsedAt: 1000 })).toBe(may);
});
