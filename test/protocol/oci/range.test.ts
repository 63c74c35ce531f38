import { describe, expect, test } from "vitest";
import { formatUploadRange, parseContentRange, parseRange } from "../../../src/protocol/oci/range.ts";

describe("the range of a chunk", () => {
  test.each(["5-9", " 5-9 ", "bytes 5-9/10", "bytes 5-9/*", "bytes=5-9"])("is read: `%s`", (text) => {
    expect(parseContentRange(text)).toEqual({ start: 5, end: 9 });
  });

  test.each(["", "5", "5-", "-9", "9-5", "a-b", "5-9/10/11", "1e3-2e3", `0-${"9".repeat(16)}`, "5-9, 10-11"])(
    "is not read: `%s`",
    (text) => {
      expect(parseContentRange(text)).toBeNull();
    },
  );
});

test("the range of an upload ends at its last byte, and at the first where there is none", () => {
  expect([0, 1, 2, 100].map(formatUploadRange)).toEqual(["0-0", "0-0", "0-1", "0-99"]);
});

describe("the range of a request", () => {
  test.each([
    ["bytes=0-", 10, { start: 0, end: 9 }],
    ["bytes=3-3", 10, { start: 3, end: 3 }],
    ["bytes=3-300", 10, { start: 3, end: 9 }],
    ["bytes=-4", 10, { start: 6, end: 9 }],
    ["bytes=-40", 10, { start: 0, end: 9 }],
    ["bytes=10-", 10, "unsatisfiable"],
    ["bytes=-0", 10, "unsatisfiable"],
    ["bytes=0-", 0, "unsatisfiable"],
    ["bytes=-5", 0, "unsatisfiable"],
    ["bytes=5-3", 10, null],
    ["bytes=-", 10, null],
    ["bytes=0-1,3-4", 10, null],
    ["items=0-1", 10, null],
    ["", 10, null],
  ])("`%s` of %i bytes", (text, length, expected) => {
    expect(parseRange(text, length)).toEqual(expected);
  });
});
