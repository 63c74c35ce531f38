import { z } from "zod";
import { checkEnv, checkSpawnEnv } from "../domain/backends/spawn-env.ts";
import { backendIdPattern } from "../domain/ids.ts";
import {
  imageMaxCharacters,
  keyMaxCharacters,
  noteMaxCharacters,
  spawnEnvMaxBytes,
  timeMaxCharacters,
} from "../domain/limits.ts";
import { mountPattern, mountRule, namePattern, nameRule } from "../domain/names.ts";
import { digestPattern, tagPattern } from "../domain/pins/images.ts";
import { parsePin } from "../domain/pins/pin.ts";

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
  .max(imageMaxCharacters, `an image tag or digest has at most ${imageMaxCharacters} characters`)
  .superRefine((text, context) => {
    const parsed = parsePin(text);
    if (!parsed.ok) context.addIssue(parsed.error.message);
  })
  .meta({ id: "Image", description: "An image tag or an image digest" });

/**
 * Line ends and tabs, and all other control characters, for classes of patterns. They are spelled out since the patterns
 * are in the description of the API, and not every reader of JSON Schema knows `\p{Cc}`.
 */
const layout = "\\t\\n\\r";
const controls = "\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f";
const withoutLayout = new RegExp(`^[^${layout}${controls}]*$`);

/**
 * A key: 1 to 128 characters, counted as Unicode code points and not as UTF-16 units. It becomes an environment variable
 * and a label, and is shown: no control characters.
 */
export const key = z
  .string()
  .min(1, "a key is not empty")
  .max(2 * keyMaxCharacters, `a key has at most ${keyMaxCharacters} characters`)
  .regex(withoutLayout, "a key has no control characters")
  .refine((text) => [...text].length <= keyMaxCharacters, `a key has at most ${keyMaxCharacters} characters`)
  .refine((text) => text.isWellFormed(), "a key is well-formed unicode")
  .meta({ id: "Key" });

/** A backend's id, which is a DNS label: the service's code and random characters (src/domain/ids.ts). */
export const backendIdSchema = z.string().regex(backendIdPattern, "a backend id has 13 characters");

/** A line that people read, such as a name that they have chosen. */
export function line(maxCharacters: number) {
  return z
    .string()
    .max(maxCharacters, `at most ${maxCharacters} characters`)
    .regex(withoutLayout, "no line ends or other control characters");
}

/** What a person wrote down about a pin; it may have several lines. */
export const note = z
  .string()
  .max(noteMaxCharacters, `a note has at most ${noteMaxCharacters} characters`)
  .regex(new RegExp(`^[^${controls}]*$`), "a note has no control characters but line ends and tabs");

function variables(check: typeof checkEnv) {
  return z
    .record(z.string().max(spawnEnvMaxBytes), z.string().max(spawnEnvMaxBytes))
    .superRefine((env, context) => {
      const checked = check(env);
      if (!checked.ok) context.addIssue(checked.error.message);
    });
}

/** Environment variables, as a process can be given them: at most 64, and 32 KiB (`checkEnv`). */
export const environmentVariables = variables(checkEnv);

/** The same as a spawn may ask for them: none of the platform's own (`checkSpawnEnv`). */
export const spawnVariables = variables(checkSpawnEnv);

/** The folder that a spawn mounts: one of this name, or true for the key's own. */
export const mount = z.union([z.string().regex(mountPattern, `a mount's name is ${mountRule}`), z.boolean()]);

/** RFC 3339 in UTC, as `Date.toISOString` writes it. */
export const timestamp = z.iso.datetime().max(timeMaxCharacters).meta({ id: "Timestamp" });

/** RFC 3339 with any offset. */
export const time = z.iso.datetime({ offset: true }).max(timeMaxCharacters);

const secondsMax = 315_360_000;

/** Seconds as a positive whole number, at most ten years. */
export const seconds = z.int().positive().max(secondsMax);

/** The same, where 0 means: never. */
export const secondsOrNever = z.int().nonnegative().max(secondsMax);

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
