import { checkQuota, type Quota, quotaLimit } from "../../domain/quotas.ts";
import { type OciResult, ociFail } from "../../protocol/oci/errors.ts";
import type { RegistryState } from "./state.ts";

/*
 * The bytes that no tag keeps: uploads, blobs, and manifests. Each manifest and blob has the number of what keeps it. A
 * manifest is kept by its tags, by each kept manifest that lists it, and by its subject if that is kept; a blob is kept by
 * each kept manifest that refers to it, of each repository that has it. What is kept is so through nothing else than this
 * file, so that both numbers and their sum stay right (test/edge/registry/collection.model.test.ts).
 */

/** What is used of the quota, and its limit. */
export function untaggedQuota({ sql }: Pick<RegistryState, "sql">): Quota {
  const { used, max } = sql.untagged();
  return { used, limit: quotaLimit("untagged_bytes", max) };
}

/** Whether so many bytes more may be stored without a tag. */
export function checkUntagged(state: Pick<RegistryState, "sql">, more: number): OciResult<null> {
  const checked = checkQuota("untagged_bytes", untaggedQuota(state), more);
  return checked.ok ? checked : ociFail("DENIED", checked.error.message);
}

/** Counts a manifest that was inserted just now, and what it refers to. */
export function countManifest(state: RegistryState, repository: string, digest: string, size: number): void {
  const { sql } = state;
  sql.addUntagged(size);
  const subject = sql.manifest(repository, digest)?.subject ?? null;
  const isSubjectKept = subject !== null && sql.manifestKeepers(repository, subject) > 0;
  keepManifest(state, repository, digest, sql.keptReferring(repository, digest) + (isSubjectKept ? 1 : 0));
}

/** Counts that a manifest refers to something, which was noted just now. */
export function countRef(state: RegistryState, repository: string, manifest: string, ref: string): void {
  if (state.sql.manifestKeepers(repository, manifest) > 0) keepTarget(state, repository, ref, 1);
}

/** Counts that a tag came to stand on a manifest, or went from it. */
export function countTag(state: RegistryState, repository: string, digest: string, by: 1 | -1): void {
  keepManifest(state, repository, digest, by);
}

/** Takes a manifest that is about to be deleted out of the count. */
export function uncountManifest(state: RegistryState, repository: string, digest: string): void {
  const row = state.sql.manifest(repository, digest);
  if (!row) return;
  keepManifest(state, repository, digest, -row.keepers);
  state.sql.addUntagged(-row.size);
}

/** Counts that a repository got a blob, or is about to lose it. */
export function countLink(state: RegistryState, repository: string, digest: string, by: 1 | -1): void {
  keepBlob(state, digest, by * state.sql.keptReferring(repository, digest));
}

/** More or fewer things keep a manifest: where it begins or ceases to be kept, so does what it keeps. */
function keepManifest(state: RegistryState, repository: string, digest: string, by: number): void {
  const { sql } = state;
  const row = sql.manifest(repository, digest);
  if (!row || by === 0) return;
  const keepers = row.keepers + by;
  sql.setManifestKeepers(repository, digest, keepers);
  if (row.keepers > 0 === keepers > 0) return;
  sql.addUntagged(keepers > 0 ? -row.size : row.size);
  const step = keepers > 0 ? 1 : -1;
  for (const ref of sql.refsOf(repository, digest)) keepTarget(state, repository, ref.digest, step);
  for (const referrer of sql.withSubject(repository, digest)) {
    keepManifest(state, repository, referrer.digest, step);
  }
}

function keepTarget(state: RegistryState, repository: string, digest: string, by: 1 | -1): void {
  keepManifest(state, repository, digest, by);
  if (state.sql.link(repository, digest)) keepBlob(state, digest, by);
}

function keepBlob({ sql }: RegistryState, digest: string, by: number): void {
  const row = sql.blob(digest);
  if (!row || by === 0) return;
  const keepers = row.keepers + by;
  sql.setBlobKeepers(digest, keepers);
  if (row.keepers > 0 !== keepers > 0) sql.addUntagged(keepers > 0 ? -row.size : row.size);
}
