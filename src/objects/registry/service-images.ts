import type { Result } from "../../domain/result.ts";
import { type OciResult, ociFail } from "../../protocol/oci/errors.ts";
import type { ActorName, AdmittedPush, ServiceRpc } from "../contract.ts";
import type { TagRow } from "./manifests.sql.ts";
import type { RegistryState } from "./state.ts";

/** What the registry calls of the service whose images a repository holds. */
export type ServiceImages = Pick<
  ServiceRpc,
  "admitPush" | "recordImage" | "deleteImage" | "forgetTag" | "recentImages"
>;

/** The service of a repository is gone, and its images with it. */
export type Gone = "gone";

/** Whether the account may have what a push adds to its service, which can be announced for a moment after it. */
export async function admitPush(service: ServiceImages, push: AdmittedPush): Promise<OciResult<null> | Gone> {
  const admitted = await service.admitPush(push);
  if (admitted.ok) return { ok: true, value: null };
  if (admitted.error.code === "quota_exceeded") return ociFail("DENIED", admitted.error.message);
  return expectGone(admitted);
}

/**
 * Has the service take over a tag as it stands here. Run it beside nothing else that changes the repository: what the
 * service receives last must be what stands here last.
 */
export async function announceTag(
  { db, sql }: RegistryState,
  service: ServiceImages,
  repository: string,
  tag: string,
): Promise<"announced" | Gone> {
  const row = sql.tag(repository, tag);
  const manifest = row && sql.manifest(repository, row.digest);
  if (!manifest || row.announced === 1) return "announced";
  const registryHost = sql.registry()?.host ?? "";
  const recorded = await service.recordImage(
    {
      digest: row.digest,
      tag,
      media_type: manifest.media_type,
      ...(manifest.artifact === null ? {} : { artifact_type: manifest.artifact }),
    },
    { origin: "registry", actor: pushedBy(row), registryHost },
  );
  if (!recorded.ok) return expectGone(recorded);
  db.transaction(() => sql.setAnnounced(repository, tag));
  return "announced";
}

function pushedBy({ token_id: tokenId, token_name: tokenName }: TagRow): ActorName | null {
  return tokenId === null || tokenName === null ? null : { tokenId, tokenName };
}

/**
 * Asks the service to let go of a digest. After `released` nothing can be pinned to it any more, until it is pushed
 * again.
 */
export async function releaseDigest(
  service: ServiceImages,
  digest: string,
): Promise<OciResult<"released" | Gone>> {
  const released = await service.deleteImage(digest, { actor: null }, "own_registry");
  if (released.ok || released.error.code === "image_not_found") return { ok: true, value: "released" };
  if (released.error.code === "image_in_use") return ociFail("DENIED", released.error.message);
  return { ok: true, value: expectGone(released) };
}

export async function releaseTag(
  service: ServiceImages,
  tag: string,
  digest: string,
): Promise<OciResult<"released" | Gone>> {
  const released = await service.forgetTag(tag, digest);
  if (released.ok) return { ok: true, value: "released" };
  if (released.error.code === "image_in_use") return ociFail("DENIED", released.error.message);
  return { ok: true, value: expectGone(released) };
}

function expectGone(failure: Exclude<Result<unknown>, { ok: true }>): Gone {
  if (failure.error.code === "service_not_found") return "gone";
  throw new Error(
    `the service refused what it cannot refuse: ${failure.error.code}: ${failure.error.message}`,
  );
}
