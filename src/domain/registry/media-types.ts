export const ociImageType = "application/vnd.oci.image.manifest.v1+json";
export const ociIndexType = "application/vnd.oci.image.index.v1+json";
/** Types of a manifest of one image: OCI's and Docker's. */
export const imageTypes: readonly string[] = [
  ociImageType,
  "application/vnd.docker.distribution.manifest.v2+json",
];
/** Types of a manifest that lists others: OCI's and Docker's. */
export const indexTypes: readonly string[] = [
  ociIndexType,
  "application/vnd.docker.distribution.manifest.list.v2+json",
];

/** Docker's first manifests, which other registries may still have. */
const formerTypes: readonly string[] = [
  "application/vnd.docker.distribution.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v1+prettyjws",
];

/** Whether something of this media type is a manifest, and no blob. */
export function isManifestType(mediaType: string): boolean {
  return [...imageTypes, ...indexTypes, ...formerTypes].includes(mediaType);
}
