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
export type Collectable = keyof typeof graceMs;

/** Of what has been without use since some time, what is past its grace at `now` had none since this or before. */
export function collectableSince(kind: Collectable, now: number): number {
  return now - graceMs[kind];
}

/** When the first of what is without use can be collected; null where nothing is. */
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

/** Since when a manifest or a blob has been without use; null while it is used. */
export function unreferencedSince(isUsed: boolean, before: number | null, now: number): number | null {
  return isUsed ? null : (before ?? now);
}

export function isManifestUsed({ hasTag, hasParent, hasSubject }: ManifestUse): boolean {
  return hasTag || hasParent || hasSubject;
}

/**
 * Whether somebody who has just been told that an unreferenced blob exists may find it collected too soon: then its
 * grace must begin anew. Half of it is enough for a push to reach its manifest, and spares a write for every look.
 */
export function needsNewGrace(since: number | null, now: number): boolean {
  return since !== null && now - since > graceMs.blob / 2;
}
