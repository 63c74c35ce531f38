import { z } from "zod";
import { backendIdPattern } from "../domain/ids.ts";
import { keyMaxCharacters } from "../domain/limits.ts";
import { namePattern, nameRule } from "../domain/names.ts";
import { digestPattern, tagPattern } from "../domain/pins/images.ts";
import { parsePin } from "../domain/pins/pin.ts";

export const name = z.string().regex(namePattern, `a name is ${nameRule}`).meta({ id: "Name" });

export const tag = z
  .string()
  .regex(tagPattern, "a tag is 1 to 128 of A-Z a-z 0-9 _ . -, not beginning with . or -")
  .meta({ id: "Tag" });

export const digest = z
  .string()
  .regex(digestPattern, "a digest is sha256: and 64 hexadecimal digits in lower case")
  .meta({ id: "Digest" });

/** A tag or a digest; which of them, the domain decides. */
export const image = z
  .string()
  .superRefine((text, context) => {
    const parsed = parsePin(text);
    if (!parsed.ok) context.addIssue({ code: "custom", message: parsed.error.message });
  })
  .meta({ id: "Image", description: "An image tag or an image digest" });

/** Counted in unicode characters, not UTF-16 units. */
export const key = z
  .string()
  .min(1, "a key is not empty")
  .refine((text) => [...text].length <= keyMaxCharacters, `a key has at most ${keyMaxCharacters} characters`)
  .refine((text) => text.isWellFormed(), "a key is well-formed unicode")
  .meta({ id: "Key" });

export const backendIdSchema = z.string().regex(backendIdPattern, "a backend id has 13 characters");

export const note = z.string().max(500, "a note has at most 500 characters");

export const timestamp = z.iso.datetime().meta({ id: "Timestamp" });

/** Seconds as a positive whole number, at most ten years. */
export const seconds = z.int().positive().max(315_360_000);

/** Milliseconds since the epoch as ISO 8601. */
export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

/** A value of a type that JSON can carry; objects and arrays nest. */
export const jsonObject = z.record(z.string(), z.json());
