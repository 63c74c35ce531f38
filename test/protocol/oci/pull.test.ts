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

  test.for([
    ["has none", {}],
    ["has null, as Go writes an empty list", { layers: null }],
  ] as const)("of an image that %s gives no layers", ([, layers]) => {
    expect(read({ config: descriptor, ...layers })).toEqual({
      ok: true,
      value: { kind: "image", config: plain, layers: [] },
    });
  });

  test.for([
    ["has none", {}],
    ["has null, as Go writes an empty list", { manifests: null }],
  ] as const)("of an index that %s gives no platforms", ([, manifests]) => {
    const mediaType = "application/vnd.oci.image.index.v1+json";
    expect(read({ mediaType, ...manifests })).toEqual({ ok: true, value: { kind: "index", manifests: [] } });
  });

  /** CVE-2021-41190: a registry that says another type for the same bytes would have another image run. */
  test.for([
    ["all of both", { config: descriptor, layers: [], manifests: [descriptor] }],
    ["an image's configuration and an index' list", { config: descriptor, manifests: [descriptor] }],
    ["an image's layers and an index' list", { layers: [descriptor], manifests: [] }],
  ] as const)("without a type that could be either is refused: %s", ([, both]) => {
    expect(read(both)).toMatchObject({
      ok: false,
      error: {
        code: "MANIFEST_INVALID",
        message: expect.stringMatching(/whether it is an image or an index/),
      },
    });
  });

  test.for([
    ["an image", "application/vnd.oci.image.manifest.v1+json", "image"],
    ["an index", "application/vnd.oci.image.index.v1+json", "index"],
  ] as const)("that could be either is %s where its type says so", ([, mediaType, kind]) => {
    const both = { mediaType, config: descriptor, layers: [], manifests: [descriptor] };
    expect(read(both)).toMatchObject({ ok: true, value: { kind } });
  });

  test.for([
    ["not an object", []],
    ["neither kind", {}],
    ["of a type that cannot be pulled", { mediaType: "text/plain", config: descriptor }],
    ["an image with a layer that has no digest", { config: descriptor, layers: [{ size: 7 }] }],
    ["an index with a manifest that has no size", { manifests: [{ digest }] }],
  ] as const)("is refused where it is %s", ([, manifest]) => {
    const bytes = new TextEncoder().encode(
      JSON.stringify(Array.isArray(manifest) ? manifest : { schemaVersion: 2, ...manifest }),
    );
    expect(readManifest(bytes)).toMatchObject({
      ok: false,
      error: { code: "MANIFEST_INVALID", message: expect.stringContaining("the manifest is not valid") },
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

  test.for([
    ["{", "is not JSON"],
    ["[]", "expected object"],
    ["{}", "rootfs"],
    ['{"rootfs":{"diff_ids":["x"]}}', "rootfs.diff_ids[0]"],
    ['{"rootfs":{"diff_ids":[]},"config":{"Cmd":"sh"}}', "config.Cmd"],
  ] as const)("that is none is refused with what is wrong: %s: %s", ([text, why]) => {
    expect(readImageConfig(text)).toMatchObject({ error: { message: expect.stringContaining(why) } });
  });

  test("with many faults is refused in a sentence that is not as long", () => {
    const refusal = readImageConfig(JSON.stringify({ rootfs: { diff_ids: Array(10_000).fill("x") } }));
    if (refusal.ok) throw new Error("a configuration with faults was taken");
    expect(refusal.error.message.length).toBeLessThan(1100);
  });
});
