import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatUploadRange, parseContentRange, parseRange } from "../../../src/protocol/oci/range.ts";

describe("the range of a chunk", () => {
  test.each(["5-9", " 5-9 ", "bytes 5-9/10", "bytes 5-9/*", "bytes=5-9"])("is read: `%s`", (text) => {
    expect(parseContentRange(text)).toEqual({ start: 5, end: 9 });
  });

  /** OCI Distribution 1.1, "Pushing a blob in chunks": both ends are of the chunk. */
  test.each([
    ["0-0", { start: 0, end: 0 }],
    ["7-7", { start: 7, end: 7 }],
    ["1024-2047", { start: 1024, end: 2047 }],
    ["999999999999998-999999999999999", { start: 999_999_999_999_998, end: 999_999_999_999_999 }],
  ])("has both ends: `%s`", (text, range) => {
    expect(parseContentRange(text)).toEqual(range);
  });

  test.each([
    "",
    "5",
    "5-",
    "-9",
    "9-5",
    "a-b",
    "5-9/10/11",
    "1e3-2e3",
    `0-${"9".repeat(16)}`,
    `${"9".repeat(16)}-0`,
    "5-9, 10-11",
    "items 5-9",
    "5-9/ten",
    "5-9/",
  ])("is not read: `%s`", (text) => {
    expect(parseContentRange(text)).toBeNull();
  });
});

test("the range of an upload ends at its last byte, and at the first where there is none", () => {
  expect([0, 1, 2, 100].map(formatUploadRange)).toEqual(["0-0", "0-0", "0-1", "0-99"]);
});

describe("the range of a request", () => {
  test.each([
    ["bytes=0-", 10, { start: 0, end: 9 }],
    ["bytes=3-3", 10, { start: 3, end: 3 }],
    ["bytes=3-300", 10, { start: 3, end: 9 }],
    ["bytes=10-20", 100, { start: 10, end: 20 }],
    ["bytes=0-9", 10, { start: 0, end: 9 }],
    [" bytes=3-4 ", 10, { start: 3, end: 4 }],
    ["bytes=-10", 10, { start: 0, end: 9 }],
    ["bytes=-12", 100, { start: 88, end: 99 }],
    ["bytes=9-", 10, { start: 9, end: 9 }],
    ["bytes=10-12", 10, "unsatisfiable"],
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
    ["kilobytes=0-1", 10, null],
    ["bytes=0-1;", 10, null],
    ["bytes=--1", 10, null],
    ["bytes=a-1", 10, null],
    [`bytes=${"1".repeat(16)}-`, 10, null],
    [`bytes=0-${"1".repeat(16)}`, 10, null],
    [`bytes=-${"1".repeat(16)}`, 10, null],
    ["", 10, null],
  ])("`%s` of %i bytes", (text, length, expected) => {
    expect(parseRange(text, length)).toEqual(expected);
  });

  test("is what the same slice of an array has", () => {
    const anyLength = fc.nat(20);
    fc.assert(
      fc.property(anyLength, anyLength, anyLength, (length, first, more) => {
        const content = Array.from({ length }, (_, n) => n);
        const slice = (range: ReturnType<typeof parseRange>) =>
          range === null || range === "unsatisfiable" ? [] : content.slice(range.start, range.end + 1);
        const last = first + more;
        expect(slice(parseRange(`bytes=${first}-${last}`, length))).toEqual(content.slice(first, last + 1));
        expect(slice(parseRange(`bytes=${first}-`, length))).toEqual(content.slice(first));
        expect(slice(parseRange(`bytes=-${first}`, length))).toEqual(
          first === 0 ? [] : content.slice(-first),
        );
      }),
    );
  });
});
