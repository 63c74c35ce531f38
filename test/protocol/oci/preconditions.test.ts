import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { judgeRead, permitsWrite, rangeHolds } from "../../../src/protocol/oci/preconditions.ts";

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
  ['"a,*,b"', null, 412],
  [null, `"W/${digest}"`, 200],
  [`"a,b", ${tag}`, null, 200],
])("a read with If-Match %s and If-None-Match %s is %i", (ifMatch, ifNoneMatch, status) => {
  expect(judgeRead({ ifMatch, ifNoneMatch }, digest)).toBe(status);
});

test("a range holds for the content that its If-Range names", () => {
  expect([null, tag].map((ifRange) => rangeHolds(ifRange, digest))).toEqual([true, true]);
  for (const other of ['"x"', `W/${tag}`, "Sat, 28 Nov 2026 00:00:00 GMT"]) {
    expect(rangeHolds(other, digest)).toBe(false);
  }
});

describe("a write", () => {
  const other = `sha256:${"b".repeat(64)}`;

  test.each([
    [null, null, digest, true],
    [null, null, null, true],
    [null, "*", null, true],
    [null, "*", digest, false],
    [null, tag, digest, false],
    [null, `W/${tag}`, digest, false],
    [null, tag, other, true],
    [tag, null, digest, true],
    [tag, null, other, false],
    [tag, null, null, false],
    [`W/${tag}`, null, digest, false],
    [`"x", ${tag}`, null, digest, true],
    ["*", null, digest, true],
    ["*", null, null, false],
    ["", null, digest, false],
    [digest, null, digest, false],
    [tag, "*", digest, false],
  ])("with If-Match %s and If-None-Match %s of what stands on %s: %s", (ifMatch, ifNoneMatch, now, may) => {
    expect(permitsWrite({ ifMatch, ifNoneMatch }, now)).toBe(may);
  });

  test("is permitted by a list of tags as by its members, whatever else is in it", () => {
    const opaque = fc.stringMatching(/^[!#-~]{0,12}$/);
    const member = fc.record({ isWeak: fc.boolean(), tag: fc.oneof(opaque, fc.constantFrom(digest, other)) });
    const list = fc.array(member, { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(
        list,
        fc.constantFrom(digest, null),
        fc.constantFrom(",", ", ", " ,\t"),
        (tags, now, comma) => {
          const header = tags.map(({ isWeak, tag }) => `${isWeak ? "W/" : ""}"${tag}"`).join(comma);
          const strong = tags.some(({ isWeak, tag }) => !isWeak && tag === now);
          const weak = tags.some(({ tag }) => tag === now);
          expect(permitsWrite({ ifMatch: header, ifNoneMatch: null }, now)).toBe(strong);
          expect(permitsWrite({ ifMatch: null, ifNoneMatch: header }, now)).toBe(!weak);
        },
      ),
    );
  });
});
