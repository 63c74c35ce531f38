import { indexTypes, isManifestType } from "./media-types.ts";

/*
 * What is pushed to a registry need not be an image: charts, signatures, reports and models come in the same manifests. What
 * decides here is what a runtime goes by, the type of the config and those of the layers. A manifest's own `artifactType`
 * names an artifact and makes none: an image that says more of itself runs all the same.
 */

/** OCI Image 1.1, "Image Configuration"; Docker, "Image Manifest V 2, Schema 2". */
const configTypes: readonly string[] = [
  "application/vnd.oci.image.config.v1+json",
  "application/vnd.docker.container.image.v1+json",
];
/** They say nothing: Docker takes such a config for an image's, since clients have pushed images so (moby/moby#30083). */
const vagueTypes: readonly string[] = ["application/octet-stream", "application/json"];

/** Layers of files, whatever their compression or encryption: OCI's, Docker's, and Docker's older ones. */
const layerType =
  /^application\/vnd\.(oci\.image\.layer|docker\.image\.rootfs|docker\.container\.image\.rootfs)\./;

/** The types that the manifest of one image, or of one artifact, gives; null where it gives none. */
export interface ManifestTypes {
  artifactType: string | null;
  configType: string | null;
  layerTypes: readonly (string | null)[];
}

/**
 * What a manifest is that no runtime can run; null where it is an image. One without layers counts as an image: it may
 * bring nothing but settings, for a program that is mounted.
 * @returns the media type that says it best: its own, its config's, or that of its layers, as cosign's signatures have it
 * @example artifactOf({ artifactType: null, configType: "application/vnd.cncf.helm.config.v1+json", layerTypes: [] })
 */
export function artifactOf({ artifactType, configType, layerTypes }: ManifestTypes): string | null {
  const isConfig = configType === null || [...configTypes, ...vagueTypes].includes(configType);
  if (!isConfig) return artifactType || configType;
  const types = layerTypes.flatMap((type) => type ?? []);
  if (types.length < layerTypes.length || types.some((type) => layerType.test(type))) return null;
  // Attestations of BuildKit list their config as a layer, of no type in particular.
  const [first = null] = types;
  return first === null ? null : artifactType || (types.find((type) => !vagueTypes.includes(type)) ?? first);
}

/** A manifest as an index lists it; null for what the index does not say. */
export interface ListedManifest {
  digest: string;
  mediaType: string | null;
  artifactType: string | null;
  platform: { os: string; architecture: string } | null;
}

/**
 * What an index is of which no runtime can run anything; null where there is an image in it. Which platform it is for does
 * not matter, since a cluster may be of any.
 * @param natureOf what a listed manifest is; one that is absent, as those of an index that was copied in part, is an image
 *   where the index gives its platform
 * @returns its own type, or the index's where it has none
 */
export function artifactOfIndex(
  { mediaType, artifactType, manifests }: IndexTypes,
  natureOf: (digest: string) => "image" | "artifact" | "absent",
): string | null {
  const canRun = manifests.some((listed) => {
    // Build caches list layers. Attestations have the platform "unknown/unknown", by which engines pass them over.
    if (listed.mediaType !== null && !isManifestType(listed.mediaType)) return false;
    if (listed.platform?.os === "unknown") return false;
    const nature = natureOf(listed.digest);
    if (nature !== "absent") return nature === "image";
    return listed.platform !== null && listed.artifactType === null;
  });
  return canRun ? null : artifactType || mediaType;
}

/** An index, as far as what it is depends on it. */
export interface IndexTypes {
  mediaType: string;
  artifactType: string | null;
  manifests: readonly ListedManifest[];
}

/**
 * What something is that is recorded by a digest alone, by what is said of it; null where that does not keep it from being
 * an image.
 * @param said its manifest's type, and the type of the artifact that it is or of its config
 * @example saidArtifact({ mediaType: "application/vnd.oci.image.manifest.v1+json" }) // null
 */
export function saidArtifact(said: {
  mediaType?: string | undefined;
  artifactType?: string | undefined;
}): string | null {
  const types = [said.artifactType, said.mediaType].map((type) => type?.split(";")[0]?.trim().toLowerCase());
  const [artifactType, mediaType] = types;
  if (artifactType && !configTypes.includes(artifactType)) return artifactType;
  if (!mediaType || isManifestType(mediaType) || configTypes.includes(mediaType)) return null;
  return mediaType;
}

/** Says what something is that is no image, to go behind "it is". @param artifactType as the functions above give it */
export function artifactText(artifactType: string): string {
  return indexTypes.includes(artifactType) ? `an index without an image (${artifactType})` : artifactType;
}
