import { describe, expect, test } from "vitest";
import { readImageConfig, readManifest } from "../../../src/protocol/oci/pull.ts";

const digest = `sha256:${"a".repeat(64)}`;
const descriptor = { mediaType: "application/octet-stream", digest, size: 7 };
const plain = { digest, size: 7 };

function read(manifest: object) {
  return readManifest(new TextEncoder().encode(JSON.stringify({ schemaVersion: 2, ...manifest })));
}

describe("a manifest", () => {
  test.for([
    ["OCI's type", "application/vnd.oci.image.manifest.v1+json"],
    ["docker's type", "application/vnd.docker.distribution.manifest.v2+json"],
    ["no type", undefined],
  ] as const)("of an image with %s gives configuration and layers", ([, mediaType]) => {
    const image = read({ mediaType, config: descriptor, layers: [descriptor, descriptor] });
    expect(image).toEqual({ ok: true, value: { kind: "image", config: plain, layers: [plain, plain] } });
  });

  test.for([
    ["OCI's type", "application/vnd.oci.image.index.v1+json"],
    ["docker's type", "application/vnd.docker.distribution.manifest.list.v2+json"],
    ["no type", undefined],
  ] as const)("of an index with %s gives the platforms", ([, mediaType]) => {
    const platform = { os: "linux", architecture: "arm64" };
    const listed = { ...descriptor, platform: { ...platform, variant: "v8" } };
    expect(read({ mediaType, manifests: [listed, descriptor] })).toEqual({
      ok: true,
      value: { kind: "index", manifests: [{ ...plain, platform }, plain] },
    });
  });

  test("without a type that could be either is refused", () => {
    expect(read({ config: descriptor, layers: [], manifests: [descriptor] })).toMatchObject({
      ok: false,
      error: { code: "MANIFEST_INVALID" },
    });
  });
});

describe("a configuration", () => {
  test("needs no more than its layers", () => {
    const config = { rootfs: { diff_ids: [digest] } };
    expect(readImageConfig(JSON.stringify(config))).toEqual({ ok: true, value: config });
  });

  test.for([
    "{",
    "[]",
    "{}",
    '{"rootfs":{"diff_ids":["x"]}}',
    '{"rootfs":{"diff_ids":[]},"config":{"Cmd":"sh"}}',
  ])("%s is none", (text) => {
    expect(readImageConfig(text)).toMatchObject({ ok: false, error: { code: "MANIFEST_INVALID" } });
  });
});
