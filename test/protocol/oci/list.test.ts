import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nextLink, parsePageSize, referrersIndex } from "../../../src/protocol/oci/list.ts";

describe("the link to the next page", () => {
  /** OCI Distribution 1.1, "Listing tags": the form of RFC 8288 with `rel="next"`. */
  test("names the path and what to ask there", () => {
    expect(nextLink("/v2/acme/hello/tags/list", { n: "2", last: "v1" })).toBe(
      '</v2/acme/hello/tags/list?n=2&last=v1>; rel="next"',
    );
  });

  test("gives the next request the query that was put in, whatever is in it", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.string({ unit: "grapheme" }), (artifactType, last) => {
        const link = nextLink("/v2/acme/hello/referrers/x", { artifactType, last });
        const [, target = ""] = /^<([^<>]*)>; rel="next"$/.exec(link) ?? [];
        const { pathname, searchParams } = new URL(target, "https://registry.test");
        expect(pathname).toBe("/v2/acme/hello/referrers/x");
        expect([...searchParams]).toEqual([
          ["artifactType", artifactType],
          ["last", last],
        ]);
      }),
    );
  });
});

describe("the length of a page", () => {
  test.each([
    [null, 1000],
    ["", 1000],
    ["0", 0],
    ["1", 1],
    ["10", 10],
    ["007", 7],
    ["999", 999],
    ["1000", 1000],
    ["1001", 1000],
    ["1000000000", 1000],
    ["9".repeat(400), 1000],
  ])("for n=%j is %i", (text, entries) => {
    expect(parsePageSize(text)).toEqual({ ok: true, value: entries });
  });

  test.each(["-1", "+1", "1.5", "1e3", "0x10", " 1", "1 ", "ten", "n1", "1n", "Infinity"])(
    "is refused where it is no whole number: n=%j",
    (text) => {
      expect(parsePageSize(text)).toMatchObject({
        ok: false,
        error: { code: "UNSUPPORTED", status: 400, message: expect.stringContaining("`n`") },
      });
    },
  );
});

describe("the list of what refers to a manifest", () => {
  const signature = { mediaType: "application/vnd.oci.image.manifest.v1+json", digest: "sha256:a", size: 7 };

  /** OCI Distribution 1.1, "Listing referrers": never 404. */
  test("is an index also where there is nothing", () => {
    expect(referrersIndex([])).toStrictEqual({
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.index.v1+json",
      manifests: [],
    });
  });

  test("gives each one's type and annotations where it has them, in their order", () => {
    const artifactType = "application/vnd.example.signature";
    const annotations = { "org.example.by": "acme" };
    const { manifests } = referrersIndex([
      { ...signature, artifactType, annotations },
      { ...signature, artifactType, annotations: null },
      { ...signature, artifactType: null, annotations },
      { ...signature, artifactType: null, annotations: null },
      { ...signature, artifactType: null, annotations: {} },
    ]);
    expect(manifests).toStrictEqual([
      { ...signature, artifactType, annotations },
      { ...signature, artifactType },
      { ...signature, annotations },
      signature,
      { ...signature, annotations: {} },
    ]);
  });
});
