import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  artifactOf,
  artifactOfIndex,
  artifactText,
  type IndexTypes,
  type ListedManifest,
  type ManifestTypes,
  saidArtifact,
} from "../../../src/domain/registry/artifact.ts";
import {
  imageTypes,
  indexTypes,
  isManifestType,
  ociImageType,
  ociIndexType,
} from "../../../src/domain/registry/media-types.ts";

const ociConfig = "application/vnd.oci.image.config.v1+json";
const dockerConfig = "application/vnd.docker.container.image.v1+json";
const ociLayer = "application/vnd.oci.image.layer.v1.tar+gzip";
const dockerLayer = "application/vnd.docker.image.rootfs.diff.tar.gzip";
const empty = "application/vnd.oci.empty.v1+json";

const what = (types: Partial<ManifestTypes>) =>
  artifactOf({ artifactType: null, configType: ociConfig, layerTypes: [ociLayer], ...types });

describe("a manifest of one thing is an image", () => {
  test.each<[string, Partial<ManifestTypes>]>([
    ["of OCI", {}],
    ["of Docker", { configType: dockerConfig, layerTypes: [dockerLayer, dockerLayer] }],
    ["whose layers are not compressed", { layerTypes: ["application/vnd.oci.image.layer.v1.tar"] }],
    ["whose layers are compressed by zstd", { layerTypes: ["application/vnd.oci.image.layer.v1.tar+zstd"] }],
    ["whose layers are encrypted", { layerTypes: [`${ociLayer}+encrypted`] }],
    [
      "whose layers are not for distribution",
      { layerTypes: ["application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"] },
    ],
    [
      "whose layers are foreign",
      {
        configType: dockerConfig,
        layerTypes: ["application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"],
      },
    ],
    [
      "of Docker's first clients of its second schema",
      { configType: dockerConfig, layerTypes: ["application/vnd.docker.container.image.rootfs.diff+x-gtar"] },
    ],
    ["whose config has no type", { configType: null }],
    ["whose config is said to be bytes", { configType: "application/octet-stream" }],
    ["whose config is said to be JSON", { configType: "application/json" }],
    ["whose layers have no types", { layerTypes: [null] }],
    ["without layers", { layerTypes: [] }],
    ["that is also of a type of its own", { artifactType: "application/vnd.acme.release.v1" }],
    ["of a type of its own, whose config has no type", { artifactType: "a/b", configType: null }],
    ["of a type of its own, without layers", { artifactType: "a/b", layerTypes: [] }],
    ["some of whose layers are of files", { layerTypes: ["application/spdx+json", ociLayer] }],
    ["one of whose layers has no type", { layerTypes: ["application/spdx+json", null] }],
  ])("%s", (_, types) => {
    expect(what(types)).toBeNull();
  });
});

describe("a manifest of one thing is an artifact", () => {
  test.each<[string, Partial<ManifestTypes>, type: string]>([
    [
      "by the type of its config",
      { configType: "application/vnd.cncf.helm.config.v1+json" },
      "application/vnd.cncf.helm.config.v1+json",
    ],
    [
      "by its own type, where its config is empty",
      { configType: empty, artifactType: "application/vnd.acme.report" },
      "application/vnd.acme.report",
    ],
    ["where its config is empty and it has no type", { configType: empty, artifactType: "" }, empty],
    [
      "by its layers, whatever its config is",
      { layerTypes: ["application/vnd.dev.cosign.simplesigning.v1+json"] },
      "application/vnd.dev.cosign.simplesigning.v1+json",
    ],
    [
      "by its own type before that of its layers",
      { artifactType: "application/vnd.acme.report", layerTypes: ["application/spdx+json"] },
      "application/vnd.acme.report",
    ],
    [
      "by the layer that has a type that says something",
      { layerTypes: ["application/octet-stream", "application/vnd.in-toto+json"] },
      "application/vnd.in-toto+json",
    ],
    [
      "where none of its layers has a type that says anything",
      { artifactType: "", layerTypes: ["application/octet-stream", "application/json"] },
      "application/octet-stream",
    ],
  ])("%s", (_, types, type) => {
    expect(what(types)).toBe(type);
  });
});

describe("an index", () => {
  const linux = { os: "linux", architecture: "amd64" };
  const listed = (digest: string, more: Partial<ListedManifest> = {}): ListedManifest => ({
    digest,
    mediaType: ociImageType,
    artifactType: null,
    platform: linux,
    ...more,
  });
  const index = (manifests: ListedManifest[], more: Partial<IndexTypes> = {}) =>
    artifactOfIndex({ mediaType: ociIndexType, artifactType: null, manifests, ...more }, (digest) =>
      digest === "image" ? "image" : digest === "artifact" ? "artifact" : "absent",
    );

  test.each<[string, ListedManifest[]]>([
    ["lists an image that is here", [listed("image")]],
    ["lists an image that is here, for whatever platform", [listed("image", { platform: null })]],
    ["lists an image behind an artifact", [listed("artifact"), listed("image")]],
    ["lists one that does not say its type", [listed("image", { mediaType: null })]],
    ["lists an index", [listed("image", { mediaType: ociIndexType, platform: null })]],
    ["lists what is not here, for a platform", [listed("absent")]],
    ["lists an image for Windows", [listed("image", { platform: { os: "windows", architecture: "amd64" } })]],
  ])("is an image where it %s", (_, manifests) => {
    expect(index(manifests)).toBeNull();
  });

  test.each<[string, ListedManifest[]]>([
    ["lists nothing", []],
    ["lists an artifact", [listed("artifact")]],
    [
      "lists an attestation, which engines pass over, though it looks like an image",
      [listed("image", { platform: { os: "unknown", architecture: "unknown" } })],
    ],
    ["lists what is not here and says no platform", [listed("absent", { platform: null })]],
    ["lists what is not here and says that it is an artifact", [listed("absent", { artifactType: "a/b" })]],
    ["lists layers, as a build cache does", [listed("absent", { mediaType: ociLayer })]],
  ])("is none where it %s", (_, manifests) => {
    expect(index(manifests)).toBe(ociIndexType);
    expect(index(manifests, { artifactType: "" })).toBe(ociIndexType);
    expect(index(manifests, { artifactType: "application/vnd.acme.bundle" })).toBe(
      "application/vnd.acme.bundle",
    );
  });

  test("is an image as soon as one of what it lists is", () => {
    const some = fc.array(fc.constantFrom("artifact", "absent"), { maxLength: 5 });
    fc.assert(
      fc.property(some, some, (before, behind) => {
        const others = (digests: string[]) => digests.map((digest) => listed(digest, { platform: null }));
        expect(index([...others(before), ...others(behind)])).toBe(ociIndexType);
        expect(index([...others(before), listed("image"), ...others(behind)])).toBeNull();
      }),
    );
  });
});

describe("what is recorded by its digest", () => {
  test.each([
    ...[...imageTypes, ...indexTypes],
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
  ])("may be an image where its manifest is %s", (mediaType) => {
    expect(isManifestType(mediaType)).toBe(true);
    expect(saidArtifact({ mediaType })).toBeNull();
    expect(saidArtifact({ mediaType, artifactType: ociConfig })).toBeNull();
    expect(saidArtifact({ mediaType, artifactType: dockerConfig })).toBeNull();
    expect(saidArtifact({ mediaType, artifactType: "" })).toBeNull();
  });

  test.each([
    ["nothing is said", {}],
    ["nothing is said in as many words", { mediaType: "", artifactType: "" }],
    ["the type of its config is given for its manifest's", { mediaType: dockerConfig }],
    [
      "its type is written in other letters, with a parameter",
      { mediaType: `${ociImageType}; charset=utf-8` },
    ],
    ["its type is written in capitals", { mediaType: ociIndexType.toUpperCase() }],
  ])("is taken for an image where %s", (_, said) => {
    expect(saidArtifact(said)).toBeNull();
  });

  test.each([
    [
      { artifactType: "application/vnd.cncf.helm.config.v1+json" },
      "application/vnd.cncf.helm.config.v1+json",
    ],
    [{ mediaType: ociImageType, artifactType: "application/vnd.acme.report" }, "application/vnd.acme.report"],
    [{ mediaType: "application/vnd.wasm.config.v0+json" }, "application/vnd.wasm.config.v0+json"],
    [{ mediaType: "Text/Plain ; a=b" }, "text/plain"],
    [{ mediaType: ociIndexType, artifactType: ociIndexType }, ociIndexType],
  ])("is no image where %j is said", (said, type) => {
    expect(saidArtifact(said)).toBe(type);
  });
});

test("an index without an image is said to be one, everything else by its type", () => {
  expect(artifactText(ociIndexType)).toBe(`an index without an image (${ociIndexType})`);
  expect(artifactText("application/vnd.acme.report")).toBe("application/vnd.acme.report");
});
