import { z } from "zod";
import { digestPattern } from "../../domain/pins/images.ts";
import { artifactOf, type ListedManifest } from "../../domain/registry/artifact.ts";
import { imageTypes, indexTypes, ociImageType, ociIndexType } from "../../domain/registry/media-types.ts";
import { type OciResult, ociFail } from "./errors.ts";

/** OCI Image 1.1, "Content descriptors". Unknown fields stay: manifests are kept byte for byte. */
const descriptor = z.looseObject({
  mediaType: z.string().max(255).optional(),
  digest: z.string().regex(digestPattern, "is not a digest"),
  size: z.int().nonnegative(),
  urls: z.array(z.string()).optional(),
});

/** As an index lists it. What else it says is not the registry's to refuse. */
const listedDescriptor = descriptor.extend({
  artifactType: z.string().nullable().catch(null).default(null),
  platform: z.object({ os: z.string(), architecture: z.string() }).nullable().catch(null).default(null),
});

const annotations = z.record(z.string(), z.string());

const common = {
  schemaVersion: z.literal(2),
  mediaType: z.string().max(255).optional(),
  artifactType: z.string().max(255).optional(),
  subject: descriptor.optional(),
  annotations: annotations.nullish(),
};

const imageManifest = z.looseObject({
  ...common,
  config: descriptor,
  layers: z.array(descriptor).nullish(),
});
const imageIndex = z.looseObject({ ...common, manifests: z.array(listedDescriptor).nullish() });

/** What tells of which type a manifest is. */
const typeHints = z
  .object({ mediaType: z.unknown(), config: z.unknown(), layers: z.unknown(), manifests: z.unknown() })
  .partial();

/** Layers that a registry need not have (OCI Image 1.1, "Non-Distributable Layers"; Docker's "foreign" ones). */
const foreignLayerType = /nondistributable|\.foreign\./;

/** A refusal quotes at most this much of what was pushed, in characters. */
const reasonMax = 1000;

/** What a registry has to know of a manifest. */
export interface ManifestFacts {
  mediaType: string;
  /** Digests of blobs that must exist: the config, and layers that are not kept elsewhere. */
  blobs: string[];
  /** Digests of layers that may exist: those with `urls`, and of the types that are not for distribution. */
  foreignBlobs: string[];
  /** Digests of what an index lists. */
  children: string[];
  /** The digest of the manifest that this one refers to (OCI Distribution 1.1, "Pushing manifests with subject"). */
  subject: string | null;
  /** Of an image without one, its config's type. */
  artifactType: string | null;
  annotations: Record<string, string> | null;
  runs: Runs;
}

/** What tells whether a manifest is of something that a runtime can run. */
export type Runs =
  /** What it is instead; null where it is an image. */
  | { kind: "image"; artifact: string | null }
  /** It depends on what it lists. */
  | { kind: "index"; artifactType: string | null; manifests: ListedManifest[] };

/**
 * Reads a manifest as it is pushed (OCI Image 1.1, "Image Manifest" and "Image Index"; Docker's schema 2).
 * @param contentType of the request, null where it has none
 * @returns `MANIFEST_INVALID` where it is none, where its `mediaType` is another than `contentType`, and where it has none
 *   and could be read as both kinds: its digest must stand for one image, whatever a header says (CVE-2021-41190)
 */
export function parseManifest(bytes: Uint8Array, contentType: string | null): OciResult<ManifestFacts> {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    return invalid("it is not JSON in UTF-8");
  }
  const hints = typeHints.safeParse(json);
  if (!hints.success) return invalid("it is not a JSON object");
  const { config, layers, manifests } = hints.data;
  const isImage = config !== undefined || layers !== undefined;
  if (hints.data.mediaType === undefined && isImage && manifests !== undefined) {
    return invalid("it does not say whether it is an image or an index");
  }
  const inside = typeof hints.data.mediaType === "string" ? hints.data.mediaType : null;
  const outside = contentType?.split(";")[0]?.trim().toLowerCase() || null;
  if (inside !== null && outside !== null && inside !== outside) {
    return invalid(`its mediaType is \`${inside}\` and the Content-Type \`${outside}\``);
  }
  // OCI Image 1.1, "Image Manifest Property Descriptions": mediaType SHOULD be given.
  const mediaType = outside ?? inside ?? (manifests === undefined ? ociImageType : ociIndexType);
  if (imageTypes.includes(mediaType)) return readImage(json, mediaType);
  if (indexTypes.includes(mediaType)) return readIndex(json, mediaType);
  return invalid(`\`${mediaType}\` is not a type of manifest that is kept here`);
}

function readImage(json: unknown, mediaType: string): OciResult<ManifestFacts> {
  const parsed = imageManifest.safeParse(json);
  if (!parsed.success) return invalid(z.prettifyError(parsed.error));
  const { config, layers, artifactType } = parsed.data;
  const isForeign = ({ urls, mediaType }: z.infer<typeof descriptor>) =>
    Boolean(urls?.length || mediaType?.match(foreignLayerType));
  const all = layers ?? [];
  const kept = all.filter((layer) => !isForeign(layer));
  return facts(parsed.data, mediaType, {
    blobs: [config, ...kept].map(({ digest }) => digest),
    foreignBlobs: all.filter(isForeign).map(({ digest }) => digest),
    children: [],
    // OCI Distribution 1.1, "Listing referrers": the config's type stands in for a missing artifactType.
    artifactType: artifactType ?? config.mediaType ?? null,
    runs: {
      kind: "image",
      artifact: artifactOf({
        artifactType: artifactType ?? null,
        configType: config.mediaType ?? null,
        layerTypes: all.map((layer) => layer.mediaType ?? null),
      }),
    },
  });
}

function readIndex(json: unknown, mediaType: string): OciResult<ManifestFacts> {
  const parsed = imageIndex.safeParse(json);
  if (!parsed.success) return invalid(z.prettifyError(parsed.error));
  const { manifests, artifactType } = parsed.data;
  return facts(parsed.data, mediaType, {
    blobs: [],
    foreignBlobs: [],
    children: (manifests ?? []).map(({ digest }) => digest),
    artifactType: artifactType ?? null,
    runs: {
      kind: "index",
      artifactType: artifactType ?? null,
      manifests: (manifests ?? []).map(({ digest, mediaType = null, artifactType, platform }) => ({
        digest,
        mediaType,
        artifactType,
        platform,
      })),
    },
  });
}

function facts(
  { subject, annotations }: Pick<z.infer<typeof imageIndex>, "subject" | "annotations">,
  mediaType: string,
  rest: Pick<ManifestFacts, "blobs" | "foreignBlobs" | "children" | "artifactType" | "runs">,
): OciResult<ManifestFacts> {
  return {
    ok: true,
    value: { mediaType, subject: subject?.digest ?? null, annotations: annotations ?? null, ...rest },
  };
}

function invalid(why: string) {
  return ociFail("MANIFEST_INVALID", `the manifest is not valid: ${why.slice(0, reasonMax)}`);
}
