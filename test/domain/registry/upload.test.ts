import { describe, expect, test } from "vitest";
import { blobPartBytes, blobPutMaxBytes } from "../../../src/domain/limits.ts";
import { bringsBytes, emptyUpload, judgeChunk, wayToStore } from "../../../src/domain/registry/upload.ts";

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
