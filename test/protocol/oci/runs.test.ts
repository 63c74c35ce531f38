import { describe, expect, test } from "vitest";
import { artifactOfIndex } from "../../../src/domain/registry/artifact.ts";
import { parseManifest } from "../../../src/protocol/oci/manifest.ts";
import { artifacts, images } from "./real-manifests.ts";

/** What a manifest is where it is no image, with nothing known of what it lists. */
function artifactIn(manifest: object): string | null {
  const parsed = parseManifest(new TextEncoder().encode(JSON.stringify(manifest)), null);
  if (!parsed.ok) throw new Error(parsed.error.message);
  const { mediaType, runs } = parsed.value;
  return runs.kind === "image" ? runs.artifact : artifactOfIndex({ mediaType, ...runs }, () => "absent");
}

describe("what clients push is an image:", () => {
  test.each(Object.entries(images))("%s", (_, manifest) => {
    expect(artifactIn(manifest)).toBeNull();
  });
});

describe("what clients push is none:", () => {
  test.each(Object.entries(artifacts))("%s", (_, [manifest, type]) => {
    expect(artifactIn(manifest)).toBe(type);
  });
});

test("a platform or a type that is malformed says nothing, and is not refused", () => {
  const listed = { digest: `sha256:${"1".repeat(64)}`, size: 2 };
  const manifests = [
    { ...listed, platform: { os: 1 }, artifactType: [] },
    { ...listed, platform: null, artifactType: null },
  ];
  expect(artifactIn({ schemaVersion: 2, manifests })).toBe("application/vnd.oci.image.index.v1+json");
});
