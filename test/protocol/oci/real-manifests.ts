/*
 * Manifests as clients push them: their shapes and media types, with digests of our own.
 */

const digest = (n: number) => `sha256:${n.toString(16).padStart(64, "0")}`;
let next = 1;
const blob = (mediaType: string, more: object = {}) => ({
  mediaType,
  digest: digest(next++),
  size: 2,
  ...more,
});

const oci = { schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json" };
const ociIndex = { schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json" };
const docker = { schemaVersion: 2, mediaType: "application/vnd.docker.distribution.manifest.v2+json" };
const ociConfig = "application/vnd.oci.image.config.v1+json";
const ociLayer = "application/vnd.oci.image.layer.v1.tar+gzip";
const empty = blob("application/vnd.oci.empty.v1+json", { data: "e30=" });
const linux = { platform: { os: "linux", architecture: "amd64" } };
const unknown = { platform: { os: "unknown", architecture: "unknown" } };
const child = (more: object) => blob(oci.mediaType, more);
const attestation = child({
  annotations: {
    "vnd.docker.reference.type": "attestation-manifest",
    "vnd.docker.reference.digest": digest(99),
  },
  ...unknown,
});

/** What backends run. */
export const images: Record<string, object> = {
  "docker push": {
    ...docker,
    config: blob("application/vnd.docker.container.image.v1+json"),
    layers: [blob("application/vnd.docker.image.rootfs.diff.tar.gzip")],
  },
  "podman push": { ...oci, config: blob(ociConfig), layers: [blob(ociLayer)] },
  "ko, which leaves its type out": { schemaVersion: 2, config: blob(ociConfig), layers: [blob(ociLayer)] },
  "buildx build, with attestations": { ...ociIndex, manifests: [child(linux), attestation] },
  "docker manifest push": {
    schemaVersion: 2,
    mediaType: "application/vnd.docker.distribution.manifest.list.v2+json",
    manifests: [blob(docker.mediaType, linux)],
  },
  "buildx build --output compression=zstd": {
    ...oci,
    config: blob(ociConfig),
    layers: [blob("application/vnd.oci.image.layer.v1.tar+zstd")],
  },
};

/** What they cannot run, and the media type that says so. */
export const artifacts: Record<string, [manifest: object, type: string]> = {
  "helm push": [
    {
      schemaVersion: 2,
      config: blob("application/vnd.cncf.helm.config.v1+json"),
      layers: [blob("application/vnd.cncf.helm.chart.content.v1.tar+gzip")],
    },
    "application/vnd.cncf.helm.config.v1+json",
  ],
  "oras push, of one file": [
    {
      ...oci,
      artifactType: "application/vnd.unknown.artifact.v1",
      config: empty,
      layers: [blob("application/vnd.oci.image.layer.v1.tar")],
    },
    "application/vnd.unknown.artifact.v1",
  ],
  "oras push, before OCI 1.1": [
    { ...oci, config: blob("application/vnd.unknown.config.v1+json"), layers: [blob("text/plain")] },
    "application/vnd.unknown.config.v1+json",
  ],
  "cosign sign, to a tag `sha256-….sig`": [
    { ...oci, config: blob(ociConfig), layers: [blob("application/vnd.dev.cosign.simplesigning.v1+json")] },
    "application/vnd.dev.cosign.simplesigning.v1+json",
  ],
  "cosign attest, to a tag `sha256-….att`": [
    { ...oci, config: blob(ociConfig), layers: [blob("application/vnd.dsse.envelope.v1+json")] },
    "application/vnd.dsse.envelope.v1+json",
  ],
  "cosign sign, as a referrer": [
    {
      ...oci,
      artifactType: "application/vnd.dev.sigstore.bundle.v0.3+json",
      config: empty,
      layers: [blob("application/vnd.dev.sigstore.bundle.v0.3+json")],
      subject: blob(oci.mediaType),
    },
    "application/vnd.dev.sigstore.bundle.v0.3+json",
  ],
  "buildx's attestation, by itself": [
    {
      ...oci,
      config: blob(ociConfig),
      layers: [blob("application/octet-stream"), blob("application/vnd.in-toto+json")],
    },
    "application/vnd.in-toto+json",
  ],
  "a WebAssembly component": [
    { ...oci, config: blob("application/vnd.wasm.config.v0+json"), layers: [blob("application/wasm")] },
    "application/vnd.wasm.config.v0+json",
  ],
  "buildx build --cache-to type=registry": [
    { ...oci, config: blob("application/vnd.buildkit.cacheconfig.v0"), layers: [blob(ociLayer)] },
    "application/vnd.buildkit.cacheconfig.v0",
  ],
  "buildx build --cache-to type=registry,image-manifest=false": [
    {
      ...ociIndex,
      manifests: [blob(ociLayer), blob("application/vnd.buildkit.cacheconfig.v0")],
    },
    ociIndex.mediaType,
  ],
  "attestations without the image that they are of": [
    { ...ociIndex, manifests: [attestation] },
    ociIndex.mediaType,
  ],
  "referrers at a tag `sha256-…`": [
    { ...ociIndex, manifests: [child({ artifactType: "application/vnd.dev.sigstore.bundle.v0.3+json" })] },
    ociIndex.mediaType,
  ],
  "flux push artifact": [
    {
      ...oci,
      config: blob("application/vnd.cncf.flux.config.v1+json"),
      layers: [blob("application/vnd.cncf.flux.content.v1.tar+gzip")],
    },
    "application/vnd.cncf.flux.config.v1+json",
  ],
  "docker compose publish": [
    {
      ...oci,
      artifactType: "application/vnd.docker.compose.project",
      config: empty,
      layers: [blob("application/vnd.docker.compose.file+yaml")],
    },
    "application/vnd.docker.compose.project",
  ],
};
