import { z } from "zod";
import { digestPattern } from "../../domain/pins/images.ts";
import { indexTypes } from "../../domain/registry/media-types.ts";
import { type OciResult, ociFail } from "./errors.ts";
import { parseManifest } from "./manifest.ts";

/** OCI Image 1.1, "Content descriptors", as far as a pull needs them. */
export const descriptor = z.object({
  digest: z.string().regex(digestPattern, "is not a digest"),
  /** In bytes. */
  size: z.int().nonnegative(),
});
export type Descriptor = z.infer<typeof descriptor>;

const imageManifest = z.object({ config: descriptor, layers: z.array(descriptor).nullish() });

const platform = z.object({ os: z.string(), architecture: z.string() });
export type Platform = z.infer<typeof platform>;

const imageIndex = z.object({
  manifests: z.array(descriptor.extend({ platform: platform.optional() })).nullish(),
});

/** A manifest as a runtime needs it: one image, or images for several platforms. */
export type PullableManifest =
  | { kind: "image"; config: Descriptor; layers: Descriptor[] }
  | { kind: "index"; manifests: (Descriptor & { platform?: Platform | undefined })[] };

/**
 * Reads a manifest by its bytes alone, since only they are covered by the digest: the registry's `Content-Type` is not
 * looked at.
 * @returns `MANIFEST_INVALID` where it is none, or could be read as both kinds (CVE-2021-41190)
 */
export function readManifest(bytes: Uint8Array): OciResult<PullableManifest> {
  const facts = parseManifest(bytes, null);
  if (!facts.ok) return facts;
  const json: unknown = JSON.parse(new TextDecoder().decode(bytes));
  if (indexTypes.includes(facts.value.mediaType)) {
    const { manifests } = imageIndex.parse(json);
    return { ok: true, value: { kind: "index", manifests: manifests ?? [] } };
  }
  const { config, layers } = imageManifest.parse(json);
  return { ok: true, value: { kind: "image", config, layers: layers ?? [] } };
}

/** OCI Image 1.1, "Image configuration", as far as a process needs it. */
const imageConfig = z.object({
  config: z
    .object({
      Env: z.array(z.string()).nullish(),
      Entrypoint: z.array(z.string()).nullish(),
      Cmd: z.array(z.string()).nullish(),
      WorkingDir: z.string().nullish(),
    })
    .nullish(),
  rootfs: z.object({ diff_ids: z.array(z.string().regex(digestPattern, "is not a digest")) }),
});
export type ImageConfig = z.infer<typeof imageConfig>;

/**
 * Reads an image's configuration, to run it.
 * @returns `MANIFEST_INVALID` where it is not the configuration of an image that can run
 */
export function readImageConfig(text: string): OciResult<ImageConfig> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return ociFail("MANIFEST_INVALID", "the image's configuration is not JSON");
  }
  const parsed = imageConfig.safeParse(json);
  if (parsed.success) return { ok: true, value: parsed.data };
  const why = z.prettifyError(parsed.error).slice(0, 1000);
  return ociFail("MANIFEST_INVALID", `this is not the configuration of an image: ${why}`);
}

/**
 * The answer of a registry's token server (CNCF distribution, "Token authentication"): `token` or `access_token`, and
 * `expires_in` in seconds, 60 where it is missing.
 */
export const pullTokenAnswer = z
  .object({ token: z.string().min(1), access_token: z.string().min(1), expires_in: z.number().positive() })
  .partial();
