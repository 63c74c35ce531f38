/** OCI Distribution 1.1, "Pulling manifests": the grammar of a tag. */
export const tagPattern = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
/** OCI Image 1.1, descriptor "digests": the two registered algorithms. */
export const digestPattern = /^(sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})$/;

const hexDigitsShown = 12;

/**
 * Enough of a digest to tell it from others by eye: the algorithm and its first hexadecimal digits.
 * @example shortDigest("sha256:9f86d081884c7d65…") // "sha256:9f86d081884c"
 */
export function shortDigest(digest: string): string {
  return digest.slice(0, digest.indexOf(":") + 1 + hexDigitsShown);
}

/** What a service knows of its images, as far as a resolution needs it. */
export interface ImageIndex {
  /** The digest of the most recent push of an image with this tag. */
  digestOfTag(tag: string): string | undefined;
  /** Whether an image with this digest was pushed, and not deleted since; not: an artifact. */
  hasDigest(digest: string): boolean;
  /** The artifact with this digest, or the one that was pushed most recently of all with this tag. */
  artifactOf(tagOrDigest: string): Artifact | undefined;
  /** Tags, most recently pushed first, for messages. */
  recentTags(): readonly string[];
}

/** Something that was pushed and is no image. */
export interface Artifact {
  digest: string;
  /** Of its manifest; null where it is not known. */
  mediaType: string | null;
  /** The media type that says what it is (`../registry/artifact.ts`). */
  artifactType: string;
}

/** An image that a pin, or what a spawn named in its place, resolved to. */
export interface ResolvedImage {
  /** The tag or digest that was named. */
  image: string;
  digest: string;
  /** Null when a digest was named. */
  tag: string | null;
}
