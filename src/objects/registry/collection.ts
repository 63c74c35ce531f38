import { collectableSince, isPushGoingOn } from "../../domain/registry/collection.ts";
import type { BlobStore } from "../blobs/blob-store.ts";
import { dropUpload, unlinkBlob } from "./blobs.ts";
import { removeManifest } from "./manifests.ts";
import { releaseDigest, type ServiceImages } from "./service-images.ts";
import type { RegistryState } from "./state.ts";
import { uncountManifest } from "./untagged.ts";

const collectedAtOnce = 200;

export interface CollectionPorts {
  state: RegistryState;
  store: BlobStore | null;
  service(repository: string): ServiceImages;
  /** Runs an action when nothing else changes the repository. */
  serially<T>(repository: string, action: () => Promise<T>): Promise<T>;
}

/** Gives up uploads, takes blobs from repositories whose manifests do not refer to them: one transaction. */
export function collectRecords(state: RegistryState, now: number): void {
  state.db.transaction(() => {
    for (const row of state.sql.uploadsUntouchedSince(collectableSince("upload", now), collectedAtOnce)) {
      dropUpload(state, row, now);
    }
    const lastUploads = new Map<string, number>();
    for (const link of state.sql.linksUnreferencedSince(collectableSince("blob", now), collectedAtOnce)) {
      const { repository, digest, unreferenced_since, renewed_from } = link;
      const lastUploadAt = lastUploads.get(repository) ?? state.sql.lastUploadAt(repository);
      lastUploads.set(repository, lastUploadAt);
      const since = renewed_from ?? unreferenced_since ?? now;
      if (isPushGoingOn(since, lastUploadAt, now)) state.sql.renewLink(repository, digest, lastUploadAt);
      else unlinkBlob(state, repository, digest, now);
    }
  });
}

/**
 * Removes manifests that nothing keeps. The service has the last word on each of them: what an environment, one of
 * its recent revisions or a live backend needs stays (invariant 7), and so does what its list of recent pushes
 * shows, since people pin what they see there. What stays is looked at again after another grace.
 */
export async function collectManifests(ports: CollectionPorts, now: number): Promise<void> {
  const { state, service } = ports;
  const due = state.sql.manifestsUnreferencedSince(collectableSince("manifest", now), collectedAtOnce);
  for (const repository of new Set(due.map((row) => row.repository))) {
    const recent = await service(repository).recentImages({ registryHost: "" });
    if (!recent.ok) {
      await ports.serially(repository, async () => removeGoneRepository(state, repository, now));
      continue;
    }
    const shown = new Set(recent.value.map(({ digest }) => digest));
    for (const { digest } of due.filter((row) => row.repository === repository)) {
      await ports.serially(repository, async () => {
        // It may have been tagged or pushed again while this waited for its turn.
        const since = state.sql.manifest(repository, digest)?.unreferenced_since ?? null;
        if (since === null || since > collectableSince("manifest", now)) return;
        const released = shown.has(digest) ? null : await releaseDigest(service(repository), digest);
        state.db.transaction(() => {
          if (released?.ok) removeManifest(state, repository, digest, now);
          else state.sql.setManifestUnreferenced(repository, digest, now);
        });
      });
    }
  }
}

/** Deletes the bytes of what was collected a while ago. What the store refuses is tried again. */
export async function collectBytes({ state, store }: CollectionPorts, now: number): Promise<void> {
  const due = state.sql.garbageSince(collectableSince("bytes", now), collectedAtOnce);
  if (!store || due.length === 0) return;
  for (const { key, multipart_id } of due) {
    if (multipart_id !== null) await store.abortMultipart(key, multipart_id);
  }
  await store.delete(due.map(({ key }) => key));
  state.db.transaction(() => {
    for (const { key } of due) state.sql.deleteGarbage(key);
  });
}

/** Forgets everything of a repository whose service is gone. */
export function removeGoneRepository(state: RegistryState, repository: string, now: number): void {
  state.db.transaction(() => {
    for (const { digest } of state.sql.manifestsOf(repository)) {
      uncountManifest(state, repository, digest);
      state.sql.deleteManifest(repository, digest);
    }
    for (const { digest } of state.sql.linksOf(repository)) unlinkBlob(state, repository, digest, now);
    for (const upload of state.sql.uploadsOf(repository)) dropUpload(state, upload, now);
    state.sql.forgetUploads(repository);
  });
}
