import { expect, test } from "vitest";
import { judgeRead, rangeHolds } from "../../../src/protocol/oci/preconditions.ts";

const digest = `sha256:${"a".repeat(64)}`;
const tag = `"${digest}"`;

test.each([
  [null, null, 200],
  [null, tag, 304],
  [null, `W/${tag}`, 304],
  [null, `"x", ${tag}`, 304],
  [null, "*", 304],
  [null, digest, 200],
  [null, '"x"', 200],
  [tag, null, 200],
  [`"x",${tag}`, null, 200],
  ["*", null, 200],
  [`W/${tag}`, null, 412],
  ['"x"', null, 412],
  ['"x"', tag, 412],
  [tag, tag, 304],
])("a read with If-Match %s and If-None-Match %s is %i", (ifMatch, ifNoneMatch, status) => {
  expect(judgeRead({ ifMatch, ifNoneMatch }, digest)).toBe(status);
});

test("a range holds for the content that its If-Range names", () => {
  expect([null, tag].map((ifRange) => rangeHolds(ifRange, digest))).toEqual([true, true]);
  for (const other of ['"x"', `W/${tag}`, "Sat, 28 Nov 2026 00:00:00 GMT"]) {
    expect(rangeHolds(other, digest)).toBe(false);
  }
});
