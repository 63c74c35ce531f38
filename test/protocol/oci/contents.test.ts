import { describe, expect, test } from "vitest";
import { ociImageType, ociIndexType } from "../../../src/domain/registry/media-types.ts";
import { bytesOf, describeConfig, readContents } from "../../../src/protocol/oci/contents.ts";

const digest = (n: number) => `sha256:${String(n).repeat(64)}`;
const bytes = (json: unknown) => new TextEncoder().encode(JSON.stringify(json));

describe("what a stored manifest lists", () => {
  test("is an image's config and layers, whose sizes make up the image's", () => {
    const layers = [
      { digest: digest(2), size: 30 },
      { digest: digest(3), size: 500 },
    ];
    const found = readContents(
      bytes({ schemaVersion: 2, config: { digest: digest(1), size: 7 }, layers }),
      ociImageType,
    );
    expect(found).toEqual({ kind: "image", config: { digest: digest(1), size: 7 }, layers });
    expect(found?.kind === "image" && bytesOf(found)).toBe(537);
  });

  test.each([
    [{ os: "linux", architecture: "amd64" }, "linux/amd64"],
    [{ os: "linux", architecture: "arm", variant: "v7", "os.version": "9" }, "linux/arm/v7"],
    [{ os: "linux" }, null],
    [{ os: 1, architecture: {} }, null],
    [null, null],
    [undefined, null],
    ["linux/amd64", null],
  ])("is an index's manifests with their platforms: %j is %j", (platform, shown) => {
    const listed = { digest: digest(1), size: 7 };
    const index = { schemaVersion: 2, manifests: [{ ...listed, platform }] };
    expect(readContents(bytes(index), ociIndexType)).toEqual({
      kind: "index",
      manifests: [{ ...listed, platform: shown }],
    });
  });

  test.each([
    ["an image that names no layers", {}],
    ["an image whose layers are null", { layers: null }],
  ])("is the config alone of %s", (_, more) => {
    const config = { digest: digest(1), size: 7 };
    const found = readContents(bytes({ schemaVersion: 2, config, ...more }), ociImageType);
    expect(found).toEqual({ kind: "image", config, layers: [] });
    expect(found?.kind === "image" && bytesOf(found)).toBe(7);
  });

  test.each([
    ["names none", {}],
    ["has null for them", { manifests: null }],
  ])("is no manifest of an index that %s", (_, more) => {
    expect(readContents(bytes({ schemaVersion: 2, ...more }), ociIndexType)).toEqual({
      kind: "index",
      manifests: [],
    });
  });

  test("is what its type makes of it, and nothing where it has none and could be either", () => {
    const listed = { digest: digest(1), size: 7 };
    const both = { schemaVersion: 2, config: listed, layers: [], manifests: [] };
    for (const [mediaType, kind] of [[ociImageType, "image"] as const, [ociIndexType, "index"] as const]) {
      expect(readContents(bytes({ ...both, mediaType }), mediaType)?.kind).toBe(kind);
      expect(readContents(bytes(both), mediaType)).toBeNull();
    }
  });

  test("is nothing of bytes that are no manifest", () => {
    expect(readContents(bytes([]), ociImageType)).toBeNull();
    expect(readContents(new Uint8Array([0xff]), ociIndexType)).toBeNull();
  });
});

describe("what an image's configuration describes", () => {
  test("is its platform and its labels in their order", () => {
    const config = { os: "linux", architecture: "arm64", config: { Labels: { b: "1", a: "<b>" } } };
    expect(describeConfig(JSON.stringify(config))).toEqual({
      platform: "linux/arm64",
      labels: [
        ["b", "1"],
        ["a", "<b>"],
      ],
    });
  });

  test.each([
    "{}",
    '{"config":null}',
    '{"config":{"Labels":null}}',
    '{"config":{"Labels":{"a":1}}}',
    '{"config":7}',
  ])("is no label where there is none that can be read: %s", (text) => {
    expect(describeConfig(text)).toEqual({ platform: null, labels: [] });
  });

  test.each(["", "{", "[]", "null", '"text"'])("is nothing where it is none: %j", (text) => {
    expect(describeConfig(text)).toBeNull();
  });
});
