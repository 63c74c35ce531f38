import { z } from "zod";
import { backendIdPattern } from "../domain/ids.ts";
import { keyMaxCharacters } from "../domain/limits.ts";
import { namePattern, nameRule } from "../domain/names.ts";
import { digestPattern, parseImageReference, tagPattern } from "../domain/pins/images.ts";

/** The name of an account, service, environment or cluster (src/domain/names.ts). */
export const name = z.string().regex(namePattern, `a name is ${nameRule}`).meta({ id: "Name" });

/** An image tag (OCI Distribution 1.1, "Pulling manifests"). */
export const tag = z
  .string()
  .regex(tagPattern, "a tag is 1 to 128 of A-Z a-z 0-9 _ . -, not beginning with . or -")
  .meta({ id: "Tag" });

/** An image digest, `sha256:…` or `sha512:…` (OCI Image 1.1, "Content descriptors", Digests). */
export const digest = z
  .string()
  .regex(digestPattern, "a digest is sha256: and 64 hexadecimal digits in lower case")
  .meta({ id: "Digest" });

/** A tag or a digest. What holds a colon is read as a digest (`parseImageReference`). */
export const image = z
  .string()
  .superRefine((text, context) => {
    const parsed = parseImageReference(text);
    if (!parsed.ok) context.addIssue({ code: "custom", message: parsed.error.message });
  })
  .meta({ id: "Image", description: "An image tag or an image digest" });

/** A key: 1 to 128 characters, counted as Unicode code points and not as UTF-16 units. */
export const key = z
  .string()
  .min(1, "a key is not empty")
  .refine((text) => [...text].length <= keyMaxCharacters, `a key has at most ${keyMaxCharacters} characters`)
  .refine((text) => text.isWellFormed(), "a key is well-formed unicode")
  .meta({ id: "Key" });

/** A backend's id, which is a DNS label: the service's code and random characters (src/domain/ids.ts). */
export const backendIdSchema = z.string().regex(backendIdPattern, "a backend id has 13 characters");

/** What a person wrote down about a pin. */
export const note = z.string().max(500, "a note has at most 500 characters");

/** RFC 3339 in UTC, as `Date.toISOString` writes it. */
export const timestamp = z.iso.datetime().meta({ id: "Timestamp" });

/** Seconds as a positive whole number, at most ten years. */
export const seconds = z.int().positive().max(315_360_000);

/**
 * A time as every answer writes it.
 * @param ms milliseconds since the epoch
 * @throws RangeError where there is no such date
 */
export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

/** A JSON object; what is in it may nest. */
export const jsonObject = z.record(z.string(), z.json());
