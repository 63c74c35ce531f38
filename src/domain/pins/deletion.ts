import { listOf } from "../names.ts";
import { fail, ok, type Result } from "../result.ts";

/** How many of the backends that run an image a refusal names. */
const backendsNamed = 5;

/** All that the deletion of an image depends on, read inside one transaction. Environments by name, the oldest first. */
export interface DeletionSnapshot {
  /** Those that resolve to it. */
  resolving: readonly string[];
  /** The live backends that run it. */
  backends: readonly string[];
  /** Those that may be returned to it, each with the last of its revisions that resolved to it. */
  returning: readonly { environment: string; revision: number }[];
  /** Those for which it waits to be promoted, since it was pushed and held back. */
  candidateIn: readonly string[];
  /** Ids of changes that would bring it in, and wait for approval. */
  changes: readonly string[];
}

/**
 * Whether an image may be deleted. Invariant 7: what an environment resolves to or may be returned to, what waits to come into one, and
 * what a live backend runs stays.
 * @returns `image_in_use`, with what needs it
 */
export function checkImageDeletion(
  digest: string,
  { resolving, backends, returning, candidateIn, changes }: DeletionSnapshot,
): Result<null> {
  if (resolving.length > 0) return imageInUse(digest, `environment ${listOf(resolving)} resolves to it`);
  if (backends.length > 0) {
    const named = listOf(backends.slice(0, backendsNamed));
    return imageInUse(digest, `${backends.length} live backends run it, among them ${named}`);
  }
  const [first] = returning;
  if (first) {
    const { environment, revision } = first;
    return imageInUse(digest, `revision ${revision} of environment \`${environment}\` resolved to it`);
  }
  if (candidateIn.length > 0) {
    return imageInUse(digest, `it waits to be promoted into environment ${listOf(candidateIn)}`);
  }
  if (changes.length > 0) return imageInUse(digest, `change ${listOf(changes)} waits to bring it in`);
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
