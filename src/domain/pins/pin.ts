import { listOf, nearest } from "../names.ts";
import { artifactText } from "../registry/artifact.ts";
import { fail, ok, type Result } from "../result.ts";
import {
  type Artifact,
  digestPattern,
  type ImageIndex,
  type ResolvedImage,
  shortDigest,
  tagPattern,
} from "./images.ts";

/**
 * What an environment is pinned to. A `tag` follows every push with it; a `digest` is one image and stays it.
 * Requests, answers and rows carry a pin as its text (`pinText`), under the name `image`.
 */
export type Pin =
  | { readonly kind: "tag"; readonly tag: string }
  | { readonly kind: "digest"; readonly digest: string };

/** The pin of an environment that nobody has pinned yet: it may be there before the first push. */
export const initialPin: Pin = { kind: "tag", tag: "latest" };

/**
 * Reads a pin, or an image that a spawn names in its place. Anything with a colon is meant as a digest, since tags
 * have none.
 * @returns `bad_request` for what is neither a tag nor a digest
 * @example parsePin("v1") // ok({ kind: "tag", tag: "v1" })
 */
export function parsePin(text: string): Result<Pin> {
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

/** Reads a pin's text that was validated before it was stored or answered. */
export function storedPin(text: string): Pin {
  return text.includes(":") ? { kind: "digest", digest: text } : { kind: "tag", tag: text };
}

/** A pin as requests, answers and rows carry it; `storedPin` reads it again. */
export function pinText(pin: Pin): string {
  return pin.kind === "tag" ? pin.tag : pin.digest;
}

/**
 * A pin for people: a tag as it is, a digest cut to what can be compared by eye.
 * @example shortPin({ kind: "digest", digest: "sha256:4f2a…" }) // its algorithm and first twelve digits
 */
export function shortPin(pin: Pin): string {
  return pin.kind === "tag" ? pin.tag : shortDigest(pin.digest);
}

/**
 * Resolves a pin to the one digest that it means now. A tag means the last image that was pushed with it, whatever else was
 * since.
 * @returns `image_not_runnable` where nothing but an artifact was pushed, `image_not_found` where nothing was, for a tag
 *   with the nearest tags that were pushed
 * @example resolvePin({ kind: "tag", tag: "v1" }, images) // ok({ image: "v1", digest: "sha256:…", tag: "v1" })
 */
export function resolvePin(pin: Pin, images: ImageIndex): Result<ResolvedImage> {
  const image = pinText(pin);
  const digest = pin.kind === "tag" ? images.digestOfTag(pin.tag) : pin.digest;
  if (digest !== undefined && (pin.kind === "tag" || images.hasDigest(digest))) {
    return ok(resolvedTo(pin, digest));
  }
  const artifact = images.artifactOf(image);
  if (artifact) return notRunnable(image, artifact);
  if (pin.kind === "digest") {
    return fail("image_not_found", `no image with digest \`${image}\` was pushed to this service`);
  }
  const tags = nearest(image, images.recentTags());
  return fail(
    "image_not_found",
    `no image with the tag \`${image}\` was pushed to this service; nearest tags: ${listOf(tags)}`,
    { details: { nearest_tags: tags } },
  );
}

function notRunnable(named: string, { digest, mediaType, artifactType }: Artifact) {
  const type = mediaType === null ? {} : { media_type: mediaType };
  return fail(
    "image_not_runnable",
    `\`${named}\` is no image that a backend can run: it is ${artifactText(artifactType)}`,
    { details: { digest, artifact_type: artifactType, ...type } },
  );
}

/** A pin with the digest that it resolves to. */
export function resolvedTo(pin: Pin, digest: string): ResolvedImage {
  return { image: pinText(pin), digest, tag: pin.kind === "tag" ? pin.tag : null };
}
