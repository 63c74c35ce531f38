import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  digestPattern,
  type ImageIndex,
  parseImageReference,
  resolveImage,
  tagPattern,
} from "../../../src/domain/pins/images.ts";

const digestA = `sha256:${"a".repeat(64)}`;
const digestB = `sha512:${"b".repeat(128)}`;

describe("what a pin or a spawn names", () => {
  test.for(["latest", "v1", "_", "_x", "V1.2-rc_3", "0", "a".repeat(128), "a..b", "A-"])(
    "`%s` is a tag",
    (tag) => {
      expect(parseImageReference(tag)).toEqual({ ok: true, value: { kind: "tag", tag } });
    },
  );

  test.for([digestA, digestB])("%s is a digest", (digest) => {
    expect(parseImageReference(digest)).toEqual({ ok: true, value: { kind: "digest", digest } });
  });

  const bad: [string, why: string][] = [
    ["", "empty"],
    [".v1", "a period first"],
    ["-v1", "a hyphen first"],
    ["a".repeat(129), "129 characters"],
    ["a b", "a space"],
    ["a/b", "a slash"],
    ["v1\n", "a line end"],
    ["ü", "a letter outside ASCII"],
    ["v1@x", "an at sign"],
    [`sha256:${"a".repeat(63)}`, "a digit too few"],
    [`sha256:${"a".repeat(65)}`, "a digit too many"],
    [`sha256:${"A".repeat(64)}`, "upper case digits"],
    [`sha256:${"g".repeat(64)}`, "letters that are no digits"],
    [`SHA256:${"a".repeat(64)}`, "an upper case algorithm"],
    [`sha1:${"a".repeat(40)}`, "an algorithm that is not registered"],
    [`sha512:${"a".repeat(64)}`, "the length of the other algorithm"],
    [`sha256:${"a".repeat(64)}\n`, "a line end after the digest"],
    [` ${digestA}`, "a space before the digest"],
    ["sha256:", "no digits"],
    ["hello:v1", "a repository and a tag"],
    [`hello@${digestA}`, "a repository and a digest"],
  ];
  test.for(bad)("%j is refused: %s", ([text]) => {
    expect(parseImageReference(text)).toMatchObject({ ok: false, error: { code: "bad_request" } });
  });

  test("no text is both a tag and a digest, and the refusal of a long one is short", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 5000 }), (text) => {
        expect(tagPattern.test(text) && digestPattern.test(text)).toBe(false);
        const parsed = parseImageReference(text);
        if (!parsed.ok) expect(parsed.error.message.length).toBeLessThan(400);
      }),
    );
  });
});

describe("resolving an image", () => {
  const index: ImageIndex = {
    digestOfTag: (tag) => ({ v1: digestA, latest: digestB })[tag],
    hasDigest: (digest) => digest === digestA || digest === digestB,
    recentTags: () => ["latest", "v1"],
  };

  test("a tag resolves to the digest of its most recent push", () => {
    expect(resolveImage("v1", index)).toEqual({
      ok: true,
      value: { image: "v1", digest: digestA, tag: "v1" },
    });
  });

  test("a digest resolves to itself and carries no tag", () => {
    expect(resolveImage(digestB, index)).toEqual({
      ok: true,
      value: { image: digestB, digest: digestB, tag: null },
    });
  });

  test("an unknown tag is refused with the nearest ones", () => {
    expect(resolveImage("v11", index)).toMatchObject({
      ok: false,
      error: { code: "image_not_found", details: { nearest_tags: ["v1", "latest"] } },
    });
  });

  test("an unknown digest is refused, even if a tag could be found for it", () => {
    const unknown = `sha256:${"c".repeat(64)}`;
    expect(resolveImage(unknown, { ...index, digestOfTag: () => digestA })).toMatchObject({
      ok: false,
      error: { code: "image_not_found" },
    });
  });

  test("a malformed one is refused before anything is looked up", () => {
    const untouched: ImageIndex = {
      digestOfTag: () => expect.unreachable(),
      hasDigest: () => expect.unreachable(),
      recentTags: () => expect.unreachable(),
    };
    expect(resolveImage("sha256:abc", untouched)).toMatchObject({
      ok: false,
      error: { code: "bad_request" },
    });
  });

  test("a service without images says that it has none", () => {
    const empty: ImageIndex = {
      digestOfTag: () => undefined,
      hasDigest: () => false,
      recentTags: () => [],
    };
    const resolved = resolveImage("latest", empty);
    expect(resolved.ok ? "" : resolved.error.message).toContain("nearest tags: none");
  });
});
