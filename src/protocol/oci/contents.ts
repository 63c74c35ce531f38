import { z } from "zod";
import { indexTypes } from "../../domain/registry/media-types.ts";
import { parseManifest } from "./manifest.ts";
import { type Descriptor, descriptor } from "./pull.ts";

/** What a stored manifest lists, as the dashboard shows it. */
export type ManifestContents =
  | { kind: "image"; config: Descriptor; layers: Descriptor[] }
  | { kind: "index"; manifests: (Descriptor & { platform: string | null })[] };

/** OCI Image 1.1, "Image Index": `os/architecture`, and the variant where there is one. */
const platformName = z
  .object({ os: z.string().min(1), architecture: z.string().min(1), variant: z.string().nullish() })
  .transform(({ os, architecture, variant }) => [os, architecture, ...(variant ? [variant] : [])].join("/"));

const imageManifest = z.object({ config: descriptor, layers: z.array(descriptor).nullish() });
const imageIndex = z.object({
  manifests: z
    .array(descriptor.extend({ platform: platformName.nullable().catch(null).default(null) }))
    .nullish(),
});

/**
 * Reads a manifest as it was stored, by the type that it was stored with. A malformed platform counts as none:
 * manifests are stored byte for byte, and the reader of one cannot fix it.
 * @param mediaType the `Content-Type` of its push
 * @returns null where it is not a manifest of that type
 */
export function readContents(bytes: Uint8Array, mediaType: string): ManifestContents | null {
  if (!parseManifest(bytes, mediaType).ok) return null;
  const json: unknown = JSON.parse(new TextDecoder().decode(bytes));
  if (indexTypes.includes(mediaType)) {
    return { kind: "index", manifests: imageIndex.parse(json).manifests ?? [] };
  }
  const { config, layers } = imageManifest.parse(json);
  return { kind: "image", config, layers: layers ?? [] };
}

/** The size of an image in bytes, compressed as it is stored: its config and its layers, as the manifest gives them. */
export function bytesOf({ config, layers }: Extract<ManifestContents, { kind: "image" }>): number {
  return layers.reduce((sum, { size }) => sum + size, config.size);
}

const imageConfig = z.object({
  config: z
    .object({ Labels: z.record(z.string(), z.string()).nullish().catch(null) })
    .nullish()
    .catch(null),
});

/** What an image's configuration says about it. */
export interface ConfigDescription {
  /** `os/architecture[/variant]`; null where it is missing or malformed. */
  platform: string | null;
  /** In the order in which the configuration has them. */
  labels: [name: string, text: string][];
}

/**
 * Reads an image's configuration (OCI Image 1.1, "Image Configuration"), as far as it is readable.
 * @returns null where it is not a JSON object
 */
export function describeConfig(text: string): ConfigDescription | null {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return null;
  }
  const parsed = imageConfig.safeParse(json);
  if (!parsed.success) return null;
  return {
    platform: platformName.safeParse(json).data ?? null,
    labels: Object.entries(parsed.data.config?.Labels ?? {}),
  };
}
