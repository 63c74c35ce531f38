import {
  collectedBytesKeptMs,
  unreferencedBlobKeptMs,
  unreferencedManifestKeptMs,
  uploadExpiresMs,
} from "../limits.ts";

/** What garbage collection judges: each with the grace that it is given. */
export const graceMs = {
  blob: unreferencedBlobKeptMs,
  manifest: unreferencedManifestKeptMs,
  upload: uploadExpiresMs,
  bytes: collectedBytesKeptMs,
} as const;
/** A kind of thing that is collected once it has been without use for its grace. */
export type Collectable = keyof typeof graceMs;

/**
 * The bound by which a query finds what is past its grace: what has been without use since then or before.
 * @param now milliseconds since the epoch, as all times here
 */
export function collectableSince(kind: Collectable, now: number): number {
  return now - graceMs[kind];
}

/**
 * When the first of what is without use can be collected; null where nothing is.
 * @param oldestSince of each kind, since when the first of it has been without use
 */
export function nextCollectionAt(oldestSince: Partial<Record<Collectable, number | null>>): number | null {
  const times = (["blob", "manifest", "upload", "bytes"] as const).flatMap((kind) => {
    const since = oldestSince[kind];
    return since === null || since === undefined ? [] : since + graceMs[kind];
  });
  return times.length === 0 ? null : Math.min(...times);
}

/** What keeps a manifest: each of them may be all that does. */
export interface ManifestUse {
  hasTag: boolean;
  /** A manifest of the repository lists it: an index, a manifest list. */
  hasParent: boolean;
  /** It is about a manifest that is there: a signature lives as long as what it signs. */
  hasSubject: boolean;
}

/**
 * Since when a manifest or a blob has been without use; null while it is used.
 * @param before what was noted of it last
 */
export function unreferencedSince(isUsed: boolean, before: number | null, now: number): number | null {
  return isUsed ? null : (before ?? now);
}

/** Whether something keeps a manifest. What is pinned or runs is protected beside this (invariant 7). */
export function isManifestUsed({ hasTag, hasParent, hasSubject }: ManifestUse): boolean {
  return hasTag || hasParent || hasSubject;
}

/**
 * Whether an unreferenced blob that a client has just seen to exist may be collected before it can refer to it: then its
 * grace must begin anew. Half of it is enough for a push to reach its manifest, and spares a write for every look.
 */
export function needsNewGrace(since: number | null, now: number): boolean {
  return since !== null && now - since > graceMs.blob / 2;
}

/**
 * Whether a blob that is past its grace may belong to a push that goes on: its manifest comes behind all of its blobs. No push
 * takes a week; a repository that is pushed to each day gets rid of what nothing refers to.
 * @param since when the blob has been without use
 * @param lastUploadAt when something was uploaded to its repository last
 */
export function isPushGoingOn(since: number, lastUploadAt: number, now: number): boolean {
  return lastUploadAt > collectableSince("blob", now) && since > collectableSince("manifest", now);
}
