import { listOf, nearest } from "../names.ts";
import { fail, ok, type Result } from "../result.ts";

/** OCI Distribution 1.1, "Pulling manifests": the grammar of a tag. */
export const tagPattern = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
/** OCI Image 1.1, descriptor "digests": the two registered algorithms. */
export const digestPattern = /^(sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})$/;

const hexDigitsTold = 12;

/** Enough of a digest to tell it from others by eye: the algorithm and its first hexadecimal digits. */
export function shortDigest(digest: string): string {
  return digest.slice(0, digest.indexOf(":") + 1 + hexDigitsTold);
}

export type ImageReference = { kind: "tag"; tag: string } | { kind: "digest"; digest: string };

/** Reads what a pin or a spawn names. Anything with a colon is meant as a digest, since tags have none. */
export function parseImageReference(text: string): Result<ImageReference> {
  if (text.includes(":")) {
    if (digestPattern.test(text)) return ok({ kind: "digest", digest: text });
    return fail(
      "bad_request",
      `\`${text.slice(0, 160)}\` is not an image digest; expected sha256: and 64 hexadecimal digits in lower case`,
    );
  }
  if (tagPattern.test(text)) return ok({ kind: "tag", tag: text });
  return fail(
    "bad_request",
    `\`${text.slice(0, 160)}\` is neither an image tag (at most 128 of A-Z a-z 0-9 _ . -, not beginning with . or -) nor a digest (sha256:…)`,
  );
}

/** What a service knows of its images, as far as a resolution needs it. */
export interface ImageIndex {
  /** The digest of the most recent push with this tag. */
  digestOfTag(tag: string): string | undefined;
  hasDigest(digest: string): boolean;
  /** Tags, most recently pushed first, for messages. */
  recentTags(): readonly string[];
}

export interface ResolvedImage {
  /** The tag or digest that was named. */
  image: string;
  digest: string;
  /** Null when a digest was named. */
  tag: string | null;
}

/** Resolves a tag or digest to the one digest it means now; unknown ones fail with what there is. */
export function resolveImage(image: string, index: ImageIndex): Result<ResolvedImage> {
  const reference = parseImageReference(image);
  if (!reference.ok) return reference;
  if (reference.value.kind === "digest") {
    if (index.hasDigest(image)) return ok({ image, digest: image, tag: null });
    return fail("image_not_found", `no image with digest \`${image}\` was pushed to this service`);
  }
  const digest = index.digestOfTag(image);
  if (digest !== undefined) return ok({ image, digest, tag: image });
  const tags = nearest(image, index.recentTags());
  return fail(
    "image_not_found",
    `no image with the tag \`${image}\` was pushed to this service; nearest tags: ${listOf(tags)}`,
    { details: { nearest_tags: tags } },
  );
}
