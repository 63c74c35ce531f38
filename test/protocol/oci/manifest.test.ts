import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseManifest } from "../../../src/protocol/oci/manifest.ts";

const ociImage = "application/vnd.oci.image.manifest.v1+json";
const ociIndex = "application/vnd.oci.image.index.v1+json";
const dockerImage = "application/vnd.docker.distribution.manifest.v2+json";
const dockerList = "application/vnd.docker.distribution.manifest.list.v2+json";

const digest = (n: number) => `sha256:${n.toString(16).padStart(64, "0")}`;
const blob = (n: number, more: object = {}) => ({ digest: digest(n), size: n, ...more });
const encoded = (text: string) => new TextEncoder().encode(text);

function parse(manifest: unknown, contentType: string | null = null) {
  return parseManifest(encoded(JSON.stringify(manifest)), contentType);
}

const image = { schemaVersion: 2, config: blob(1), layers: [blob(2)] };
const index = { schemaVersion: 2, manifests: [blob(3)] };

/** A refusal whose sentence has this in it. */
const refused = (why: string) => ({
  ok: false,
  error: { code: "MANIFEST_INVALID", status: 400, message: expect.stringContaining(why) },
});

describe("the facts of an image", () => {
  test("are its blobs, beginning with the config, and what it refers to", () => {
    const manifest = {
      schemaVersion: 2,
      mediaType: ociImage,
      artifactType: "application/vnd.example.signature",
      config: blob(1, { mediaType: "application/vnd.oci.empty.v1+json" }),
      layers: [blob(3), blob(2), blob(3)],
      subject: blob(9),
      annotations: { "org.example.by": "acme" },
    };
    expect(parse(manifest)).toStrictEqual({
      ok: true,
      value: {
        mediaType: ociImage,
        blobs: [digest(1), digest(3), digest(2), digest(3)],
        foreignBlobs: [],
        children: [],
        subject: digest(9),
        artifactType: "application/vnd.example.signature",
        annotations: { "org.example.by": "acme" },
        runs: { kind: "image", artifact: "application/vnd.example.signature" },
      },
    });
  });

  test.each([
    ["without layers", {}],
    ["whose layers are null, as Go writes an empty list", { layers: null }],
    ["with an empty list of layers", { layers: [] }],
  ])("%s are its config alone", (_, layers) => {
    expect(parse({ schemaVersion: 2, config: blob(1), ...layers })).toStrictEqual({
      ok: true,
      value: {
        mediaType: ociImage,
        blobs: [digest(1)],
        foreignBlobs: [],
        children: [],
        subject: null,
        artifactType: null,
        annotations: null,
        runs: { kind: "image", artifact: null },
      },
    });
  });

  /** OCI Image 1.1, "Non-Distributable Layers"; Docker's "Image Manifest Version 2, Schema 2", `urls`. */
  test.each([
    ["of OCI's type that is not distributed", "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"],
    ["of docker's foreign type", "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"],
  ])("have a layer %s among those that may be missing", (_, mediaType) => {
    expect(parse({ ...image, layers: [blob(2), blob(3, { mediaType }), blob(4)] })).toMatchObject({
      value: { blobs: [digest(1), digest(2), digest(4)], foreignBlobs: [digest(3)] },
    });
  });

  test.each([
    ["and with a type", { mediaType: "application/vnd.oci.image.layer.v1.tar+gzip" }],
    ["and without one", {}],
  ])("have a layer with `urls` %s among those that may be missing", (_, type) => {
    const elsewhere = blob(3, { ...type, urls: ["https://example.com/layer"] });
    expect(parse({ ...image, layers: [elsewhere, blob(2)] })).toMatchObject({
      value: { blobs: [digest(1), digest(2)], foreignBlobs: [digest(3)] },
    });
  });

  test.each([
    ["of another type", { mediaType: "application/vnd.oci.image.layer.v1.tar+gzip" }],
    ["whose `urls` are empty", { urls: [] }],
    ["of another type whose `urls` are empty", { mediaType: "application/x-foreign", urls: [] }],
  ])("have a layer %s among those that must exist", (_, more) => {
    expect(parse({ ...image, layers: [blob(2, more)] })).toMatchObject({
      value: { blobs: [digest(1), digest(2)], foreignBlobs: [] },
    });
  });

  test("have each layer once, in the order of the manifest", () => {
    fc.assert(
      fc.property(fc.array(fc.boolean()), (areForeign) => {
        const layers = areForeign.map((isForeign, n) =>
          blob(n + 2, isForeign ? { urls: ["https://example.com"] } : {}),
        );
        const found = parse({ ...image, layers });
        if (!found.ok) throw new Error(found.error.message);
        const { blobs, foreignBlobs } = found.value;
        expect([...blobs, ...foreignBlobs].sort()).toEqual([
          digest(1),
          ...layers.map((layer) => layer.digest),
        ]);
        expect([blobs.toSorted(), foreignBlobs.toSorted()]).toEqual([blobs, foreignBlobs]);
        expect(foreignBlobs.length).toBe(areForeign.filter(Boolean).length);
      }),
    );
  });

  /** OCI Distribution 1.1, "Listing referrers". */
  test.each([
    [
      "its own",
      { artifactType: "application/a", config: blob(1, { mediaType: "application/c" }) },
      "application/a",
    ],
    ["its config's where it has none", { config: blob(1, { mediaType: "application/c" }) }, "application/c"],
    ["its own where its config has none", { artifactType: "application/a" }, "application/a"],
    ["none where neither has one", {}, null],
  ])("have as the type of artifact %s", (_, more, artifactType) => {
    expect(parse({ ...image, ...more })).toMatchObject({ value: { artifactType } });
  });
});

describe("the facts of an index", () => {
  const listed = (n: number) => ({ digest: digest(n), mediaType: null, artifactType: null, platform: null });

  test("are the manifests that it lists, and what it refers to", () => {
    const manifest = {
      schemaVersion: 2,
      mediaType: ociIndex,
      artifactType: "application/vnd.example.bundle",
      manifests: [blob(4, { platform: { os: "linux", architecture: "arm64" } }), blob(3), blob(4)],
      subject: blob(9),
      annotations: {},
    };
    expect(parse(manifest)).toStrictEqual({
      ok: true,
      value: {
        mediaType: ociIndex,
        blobs: [],
        foreignBlobs: [],
        children: [digest(4), digest(3), digest(4)],
        subject: digest(9),
        artifactType: "application/vnd.example.bundle",
        annotations: {},
        runs: {
          kind: "index",
          artifactType: "application/vnd.example.bundle",
          manifests: [
            { ...listed(4), platform: { os: "linux", architecture: "arm64" } },
            listed(3),
            listed(4),
          ],
        },
      },
    });
  });

  test.each([
    ["does not say what it lists", {}],
    ["lists null, as Go writes an empty list", { manifests: null }],
    ["has an empty list", { manifests: [] }],
  ])("have no manifest where it %s", (_, manifests) => {
    expect(parse({ schemaVersion: 2, mediaType: dockerList, ...manifests })).toStrictEqual({
      ok: true,
      value: {
        mediaType: dockerList,
        blobs: [],
        foreignBlobs: [],
        children: [],
        subject: null,
        artifactType: null,
        annotations: null,
        runs: { kind: "index", artifactType: null, manifests: [] },
      },
    });
  });
});

describe("the type of a manifest", () => {
  test.each([
    [ociImage, image],
    [dockerImage, image],
    [ociIndex, index],
    [dockerList, index],
  ])("is its `mediaType` or the request's `Content-Type`: %s", (mediaType, manifest) => {
    const expected = { ok: true, value: { mediaType } };
    expect(parse({ ...manifest, mediaType })).toMatchObject(expected);
    expect(parse(manifest, mediaType)).toMatchObject(expected);
    expect(parse({ ...manifest, mediaType }, mediaType)).toMatchObject(expected);
  });

  /** OCI Image 1.1: `mediaType` SHOULD be there. */
  test("is OCI's where neither says one: an index where it lists manifests", () => {
    expect(parse(image)).toMatchObject({ value: { mediaType: ociImage } });
    expect(parse(index)).toMatchObject({ value: { mediaType: ociIndex } });
    expect(parse({ schemaVersion: 2, manifests: null })).toMatchObject({ value: { mediaType: ociIndex } });
    expect(parse(image, "")).toMatchObject({ value: { mediaType: ociImage } });
  });

  test("is its own where what it has in it would do for both", () => {
    const both = { ...image, ...index };
    expect(parse({ ...both, mediaType: dockerImage })).toMatchObject({
      value: { mediaType: dockerImage, blobs: [digest(1), digest(2)], children: [] },
    });
    expect(parse({ ...both, mediaType: dockerList })).toMatchObject({
      value: { mediaType: dockerList, blobs: [], children: [digest(3)] },
    });
  });

  /** CVE-2021-41190: another type in a request's header, or in a registry's, would make another image of the same bytes. */
  test("is not guessed, nor taken from the request, where what it has in it is of both kinds", () => {
    const { config, layers } = image;
    for (const ofImage of [{ config }, { layers }, { config, layers }]) {
      for (const ofIndex of [index, { manifests: [] }, { manifests: null }]) {
        for (const contentType of [null, "", ociImage, ociIndex, dockerImage, dockerList]) {
          const manifest = { schemaVersion: 2, ...ofImage, ...ofIndex };
          expect(parse(manifest, contentType)).toMatchObject(refused("whether it is an image or an index"));
        }
      }
    }
  });

  /** RFC 9110 8.3.1: types are case-insensitive, and parameters follow them. */
  test.each([
    `${ociImage}; charset=utf-8`,
    `${ociImage} ; a=b; c=d`,
    `  ${ociImage}  `,
    "Application/Vnd.OCI.Image.Manifest.V1+JSON",
  ])("is read from the `Content-Type` without its parameters: `%s`", (contentType) => {
    expect(parse({ ...image, mediaType: ociImage }, contentType)).toMatchObject({
      value: { mediaType: ociImage },
    });
  });

  test("is refused where both say one and they differ, and both are named", () => {
    const refusal = parse({ ...image, mediaType: ociImage }, dockerImage);
    expect(refusal).toMatchObject(refused(`mediaType is \`${ociImage}\``));
    expect(refusal).toMatchObject(refused(`Content-Type \`${dockerImage}\``));
  });

  test.each([
    ["docker's first schema", "application/vnd.docker.distribution.manifest.v1+json"],
    ["what curl sends by itself", "application/x-www-form-urlencoded"],
    ["the type of every JSON", "application/json"],
  ])("is refused where it is %s", (_, contentType) => {
    expect(parse(image, contentType)).toMatchObject(refused(`\`${contentType}\` is not a type`));
  });

  test.each([7, null, {}, [ociImage], "", "m".repeat(256)])("is refused where it is %j", (mediaType) => {
    expect(parse({ ...image, mediaType })).toMatchObject(refused("the manifest is not valid"));
  });
});

describe("what is no manifest", () => {
  test.each([
    ["nothing", encoded("")],
    ["half of one", encoded('{"schemaVersion":2')],
    ["text", encoded("hello")],
    // RFC 8259 8.1: UTF-8, without a byte order mark.
    ["UTF-16", new Uint8Array([0x7b, 0, 0x7d, 0])],
    [
      "text in another encoding within JSON",
      new Uint8Array([...encoded('{"schemaVersion":2,"a":"'), 0xe9, ...encoded('"}')]),
    ],
    [
      "a byte order mark before JSON",
      new Uint8Array([0xef, 0xbb, 0xbf, ...encoded(JSON.stringify({ ...image, mediaType: ociImage }))]),
    ],
  ])("because it is not JSON in UTF-8: %s", (_, bytes) => {
    expect(parseManifest(bytes, ociImage)).toMatchObject(refused("not JSON in UTF-8"));
  });

  test.each([null, [], [image], "{}", 7, true])("because it is no JSON object: %j", (json) => {
    expect(parse(json, ociImage)).toMatchObject(refused("not a JSON object"));
  });

  test.each([
    ["an image without a config", { schemaVersion: 2, layers: [] }, ociImage, "config"],
    ["an image of the first schema", { ...image, schemaVersion: 1 }, dockerImage, "schemaVersion"],
    ["an image with a layer without a digest", { ...image, layers: [{ size: 1 }] }, ociImage, "layers[0]"],
    [
      "an image with a layer of less than no bytes",
      { ...image, layers: [blob(2), blob(3, { size: -1 })] },
      ociImage,
      "layers[1].size",
    ],
    [
      "an image with a digest of another algorithm",
      { ...image, config: { digest: "md5:0", size: 1 } },
      ociImage,
      "config.digest",
    ],
    ["an image with a subject that is a digest alone", { ...image, subject: digest(1) }, ociImage, "subject"],
    ["an image with a number as annotation", { ...image, annotations: { a: 1 } }, ociImage, "annotations.a"],
    ["an index of another schema", { manifests: [] }, ociIndex, "schemaVersion"],
    [
      "an index with a manifest without a size",
      { ...index, manifests: [{ digest: digest(1) }] },
      ociIndex,
      "manifests[0].size",
    ],
    ["an index of one that is no list", { ...index, manifests: blob(3) }, dockerList, "manifests"],
  ])("is refused with the place that is wrong: %s", (_, manifest, contentType, place) => {
    expect(parse(manifest, contentType)).toMatchObject(refused(place));
  });

  test.each([
    ["a type that is not kept", { ...image, mediaType: "m".repeat(100_000) }, null],
    ["a `Content-Type` that is not kept", image, "m".repeat(100_000)],
    ["two types that differ", { ...image, mediaType: "m".repeat(100_000) }, ociImage],
    ["an image with many faults", { ...image, layers: Array(10_000).fill({}) }, ociImage],
    ["an index with many faults", { ...index, manifests: Array(10_000).fill({}) }, ociIndex],
    ["a long name in it", { ...image, annotations: { ["a".repeat(100_000)]: 1 } }, ociImage],
  ])("is refused in a sentence that is not as long as what was sent: %s", (_, manifest, contentType) => {
    const refusal = parse(manifest, contentType);
    if (refusal.ok) throw new Error("a manifest with faults was taken");
    expect(refusal.error.message.length).toBeLessThan(1100);
  });

  test("is refused and never thrown, whatever it is", () => {
    const anyJson = fc.oneof(
      fc.jsonValue(),
      fc.record(
        {
          schemaVersion: fc.constantFrom(2, 1, "2"),
          mediaType: fc.oneof(fc.constantFrom(ociImage, ociIndex), fc.jsonValue()),
          config: fc.oneof(fc.constant(blob(1)), fc.jsonValue()),
          layers: fc.oneof(fc.array(fc.constantFrom(blob(2), {})), fc.jsonValue()),
          manifests: fc.oneof(fc.array(fc.constantFrom(blob(2), {})), fc.jsonValue()),
        },
        { requiredKeys: [] },
      ),
    );
    const anyType = fc.constantFrom(null, ociImage, ociIndex, dockerImage, dockerList, "text/plain");
    fc.assert(
      fc.property(anyJson, anyType, (json, contentType) => {
        const found = parse(json, contentType);
        if (!found.ok) expect(found.error).toMatchObject({ code: "MANIFEST_INVALID", status: 400 });
      }),
    );
  });
});
