import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { digestPattern, type ImageIndex, tagPattern } from "../../../src/domain/pins/images.ts";
import {
  initialPin,
  parsePin,
  pinText,
  resolvedTo,
  resolvePin,
  shortPin,
  storedPin,
} from "../../../src/domain/pins/pin.ts";

const digestA = `sha256:${"a".repeat(64)}`;
const digestB = `sha512:${"b".repeat(128)}`;

describe("what a pin or a spawn names", () => {
  test.for(["latest", "v1", "_", "_x", "V1.2-rc_3", "0", "a".repeat(128), "a..b", "A-"])(
    "`%s` is a tag",
    (tag) => {
      expect(parsePin(tag)).toEqual({ ok: true, value: { kind: "tag", tag } });
    },
  );

  test.for([digestA, digestB])("%s is a digest", (digest) => {
    expect(parsePin(digest)).toEqual({ ok: true, value: { kind: "digest", digest } });
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
    expect(parsePin(text)).toMatchObject({ ok: false, error: { code: "bad_request" } });
  });

  test("no text is both a tag and a digest, and the refusal of a long one is short", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 5000 }), (text) => {
        expect(tagPattern.test(text) && digestPattern.test(text)).toBe(false);
        const parsed = parsePin(text);
        if (!parsed.ok) expect(parsed.error.message.length).toBeLessThan(400);
      }),
    );
  });
});

/** Resolves what somebody typed, as a request does. */
function resolve(text: string, images: ImageIndex) {
  const pin = parsePin(text);
  return pin.ok ? resolvePin(pin.value, images) : pin;
}

describe("a pin's text", () => {
  test.for(["v1", "latest", digestA, digestB])("%s is read again as what it was written from", (text) => {
    const pin = parsePin(text);
    if (!pin.ok) throw new Error(pin.error.message);
    expect(pinText(pin.value)).toBe(text);
    expect(storedPin(text)).toEqual(pin.value);
  });

  test("is `latest` where nobody has pinned anything", () => {
    expect(pinText(initialPin)).toBe("latest");
  });

  test("for people is the tag, or a digest cut to twelve digits", () => {
    expect(shortPin(storedPin("v1.2-rc_3"))).toBe("v1.2-rc_3");
    expect(shortPin(storedPin(digestA))).toBe(`sha256:${"a".repeat(12)}`);
    expect(shortPin(storedPin(digestB))).toBe(`sha512:${"b".repeat(12)}`);
  });
});

describe("resolving a pin", () => {
  const index: ImageIndex = {
    digestOfTag: (tag) => ({ v1: digestA, latest: digestB })[tag],
    hasDigest: (digest) => digest === digestA || digest === digestB,
    artifactOf: () => undefined,
    recentTags: () => ["latest", "v1"],
  };

  test("a tag resolves to the digest of its most recent push", () => {
    expect(resolve("v1", index)).toEqual({
      ok: true,
      value: { image: "v1", digest: digestA, tag: "v1" },
    });
  });

  test("a digest resolves to itself and carries no tag", () => {
    expect(resolve(digestB, index)).toEqual({
      ok: true,
      value: { image: digestB, digest: digestB, tag: null },
    });
  });

  test("an unknown tag is refused with the nearest ones", () => {
    expect(resolve("v11", index)).toMatchObject({
      ok: false,
      error: { code: "image_not_found", details: { nearest_tags: ["v1", "latest"] } },
    });
  });

  test("an unknown digest is refused, even if a tag could be found for it", () => {
    const unknown = `sha256:${"c".repeat(64)}`;
    expect(resolve(unknown, { ...index, digestOfTag: () => digestA })).toMatchObject({
      ok: false,
      error: { code: "image_not_found" },
    });
  });

  test("what is no image is refused as what it is, by its digest and by a tag that nothing else has", () => {
    const artifactType = "application/vnd.cncf.helm.config.v1+json";
    const known: ImageIndex = {
      ...index,
      artifactOf: () => ({ digest: digestA, mediaType: null, artifactType }),
    };
    const chart = `sha256:${"c".repeat(64)}`;
    for (const named of ["chart", chart]) {
      expect(resolve(named, known)).toEqual({
        ok: false,
        error: {
          code: "image_not_runnable",
          message: `\`${named}\` is no image that a backend can run: it is ${artifactType}`,
          details: { digest: digestA, artifact_type: artifactType },
        },
      });
    }
    const typed = { digest: digestA, mediaType: "a/b", artifactType };
    expect(resolve("chart", { ...known, artifactOf: () => typed })).toMatchObject({
      error: { details: { media_type: "a/b" } },
    });
    expect(resolve("v1", known)).toMatchObject({ ok: true, value: { digest: digestA } });
  });

  test("a malformed one is refused before anything is looked up", () => {
    const untouched: ImageIndex = {
      digestOfTag: () => expect.unreachable(),
      hasDigest: () => expect.unreachable(),
      artifactOf: () => expect.unreachable(),
      recentTags: () => expect.unreachable(),
    };
    expect(resolve("sha256:abc", untouched)).toMatchObject({
      ok: false,
      error: { code: "bad_request" },
    });
  });

  test("a service without images says that it has none", () => {
    const empty: ImageIndex = {
      digestOfTag: () => undefined,
      hasDigest: () => false,
      artifactOf: () => undefined,
      recentTags: () => [],
    };
    const resolved = resolve("latest", empty);
    expect(resolved.ok ? "" : resolved.error.message).toContain("nearest tags: none");
  });

  test("what it resolved to says the same as its resolution", () => {
    for (const text of ["v1", "latest", digestA]) {
      const resolved = resolve(text, index);
      if (!resolved.ok) throw new Error(resolved.error.message);
      expect(resolvedTo(storedPin(text), resolved.value.digest)).toEqual(resolved.value);
    }
  });
});

test("a digest that was not pushed is refused by itself, and a tag with those that are nearest", () => {
  const images: ImageIndex = {
    digestOfTag: () => undefined,
    hasDigest: () => false,
    artifactOf: () => undefined,
    recentTags: () => ["v2", "w1"],
  };
  const digest = resolvePin({ kind: "digest", digest: digestA }, images);
  expect(digest).toMatchObject({
    error: { code: "image_not_found", message: expect.stringContaining(digestA) },
  });
  expect(digest).not.toHaveProperty("error.details.nearest_tags");
  const tag = resolvePin({ kind: "tag", tag: "v1" }, images);
  expect(tag).toMatchObject({ error: { code: "image_not_found", details: { nearest_tags: ["v2", "w1"] } } });
});
