import { listOf } from "../names.ts";
import { fail, ok, type Result } from "../result.ts";
import { type PinHistory, protectedDigests } from "./pin.ts";

/** How many of the backends that run an image a refusal names. */
const backendsNamed = 5;

/** All that the deletion of an image depends on, read inside one transaction. */
export interface DeletionSnapshot {
  /** Of every environment, oldest first. */
  pins: readonly PinHistory[];
  /** The live backends that run the image. */
  backends: readonly string[];
}

/**
 * Whether an image may be deleted. Invariant 7: what an environment, one of its last revisions or a live backend
 * needs stays.
 * @returns `image_in_use`, with what needs it
 */
export function checkImageDeletion(digest: string, { pins, backends }: DeletionSnapshot): Result<null> {
  const environments = pins.map((pin) => ({ name: pin.environment, ...protectedDigests(pin) }));
  const resolving = environments.flatMap(({ name, current }) => (current === digest ? [name] : []));
  if (resolving.length > 0) return imageInUse(digest, `environment ${listOf(resolving)} resolves to it`);
  if (backends.length > 0) {
    const named = listOf(backends.slice(0, backendsNamed));
    return imageInUse(digest, `${backends.length} live backends run it, among them ${named}`);
  }
  for (const { name, revisionOf } of environments) {
    const revision = revisionOf.get(digest);
    if (revision === undefined) continue;
    return imageInUse(digest, `revision ${revision} of environment \`${name}\` resolved to it`);
  }
  return ok(null);
}

/**
 * Whether a tag may be deleted: one that an environment follows stays, else the environment would mean nothing.
 * @param following the environments that follow it, by name
 * @returns `image_in_use`, with these
 */
export function checkTagDeletion(tag: string, following: readonly string[]): Result<null> {
  if (following.length === 0) return ok(null);
  return fail(
    "image_in_use",
    `tag \`${tag}\` cannot be deleted: environment ${listOf(following)} follows it`,
  );
}

function imageInUse(digest: string, why: string) {
  return fail("image_in_use", `image \`${digest}\` cannot be deleted: ${why}`);
}
