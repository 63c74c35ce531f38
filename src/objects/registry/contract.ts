import type { Quota } from "../../domain/quotas.ts";
import type { RepositoryName } from "../../domain/registry/repository.ts";
import type { PartNumbers, UploadBeginning, UploadState } from "../../domain/registry/upload.ts";
import type { OciResult } from "../../protocol/oci/errors.ts";
import type { Referrer } from "../../protocol/oci/list.ts";
import type { ManifestFacts } from "../../protocol/oci/manifest.ts";
import type { Conditions } from "../../protocol/oci/preconditions.ts";
import type { ActorName } from "../rpc-types.ts";

export interface BlobPlace {
  /** Of the blob store. */
  key: string;
  /** In bytes. */
  size: number;
}

export interface Upload {
  id: string;
  /** Under which the blob will lie in the blob store. */
  key: string;
  /** Goes up with each step; a step is taken by whoever knows the last one. */
  version: number;
  state: UploadState;
  begun: UploadBeginning;
  /**
   * Where this chunk may put what it does not put into parts: a key of its own, so that of two chunks that come at
   * once neither writes over the other. Null where none was requested.
   */
  chunkKey: string | null;
  /** The numbers that this chunk's parts may have, likewise. */
  numbers: PartNumbers | null;
  /** How many bytes more it may have now, as far as is known; null where there is no limit, or none was requested. */
  room: number | null;
}

/** Bytes that are about to come in. */
export interface IncomingChunk {
  /** What the whole blob will have; null where it is not known yet. */
  digest: string | null;
  /** How many come now; null where that is not known. */
  bytes: number | null;
}

/** A blob that comes in one request. */
export type WholeBlob = IncomingChunk & { digest: string };

export interface StoredManifest {
  digest: string;
  mediaType: string;
  bytes: Uint8Array<ArrayBuffer>;
}

export interface ManifestPut {
  digest: string;
  bytes: Uint8Array<ArrayBuffer>;
  facts: ManifestFacts;
  tags: string[];
  /** host[:port] of the deployment's own registry. */
  registryHost: string;
  /** Whose token pushes it. */
  by: ActorName;
  /** Of each of the tags, or of the manifest itself where there are none. */
  conditions?: Conditions | undefined;
}

/** How large an image is. */
export interface ImageSize {
  /** Of its config and layers; of an index, those of all its images that were counted. */
  bytes: number;
  /** Of an index: how many of the manifests it lists are images that are here. Null for a single image. */
  index: { counted: number; listed: number } | null;
}

/** The images of one account: everything but the bytes of blobs. A repository exists as long as its service does. */
export interface RegistryRpc {
  /** Where a blob lies that is linked to the repository. A caller can count on it for a while. */
  blob(repository: RepositoryName, digest: string): Promise<BlobPlace | null>;
  /** Links a blob of another repository of the account. @returns whether it was there */
  mountBlob(repository: RepositoryName, from: RepositoryName, digest: string): Promise<boolean>;
  /** `DENIED` while a manifest of the repository needs it, `PRECONDITION_FAILED` where a condition does not hold. */
  deleteBlob(repository: RepositoryName, digest: string, conditions?: Conditions): Promise<OciResult<null>>;

  /**
   * `DENIED` over the account's quota.
   * @param whole what comes with it, and needs a `chunkKey`; null where nothing does
   * @param credentialId of the access token or session that begins it
   */
  beginUpload(
    repository: RepositoryName,
    whole: WholeBlob | null,
    credentialId: string,
  ): Promise<OciResult<Upload>>;
  upload(repository: RepositoryName, id: string): Promise<Upload | null>;
  /**
   * An upload that is about to get bytes, with its `chunkKey`; null where there is none, also because it cannot be completed any
   * more and was given up. `DENIED` as above.
   */
  beginChunk(repository: RepositoryName, id: string, chunk: IncomingChunk): Promise<OciResult<Upload | null>>;
  /**
   * Notes the multipart upload that was begun, so that it is aborted if nothing comes of it.
   * @returns the one that was noted first; null where the upload was advanced since
   */
  beginMultipart(repository: RepositoryName, upload: Upload, multipartId: string): Promise<string | null>;
  /** Numbers for more parts of a chunk; null where the upload was advanced since, or where there are none left. */
  moreParts(repository: RepositoryName, upload: Upload): Promise<PartNumbers | null>;
  /** `overtaken` where the upload was not at the version any more that it was advanced from. `DENIED` as above. */
  advanceUpload(
    repository: RepositoryName,
    upload: Upload,
    state: UploadState,
  ): Promise<OciResult<"advanced" | "overtaken">>;
  /**
   * Makes a verified upload a blob of the repository, and ends it. `DENIED` as above, which ends it too.
   * @param key under which its bytes are: the upload's own or that of its tail
   */
  finishUpload(
    repository: RepositoryName,
    upload: Upload,
    blob: { digest: string; key: string; size: number },
  ): Promise<OciResult<null>>;
  /** @param leftOver keys that a failed attempt has written. @returns whether there was one */
  cancelUpload(repository: RepositoryName, id: string, leftOver: string[]): Promise<boolean>;

  /** @param reference a tag or a digest */
  manifest(repository: RepositoryName, reference: string): Promise<StoredManifest | null>;
  /**
   * The sizes of images, in the order of their digests, as their manifests say. Null for one that is not kept here, and
   * for one whose manifest would take more reading than one call is given.
   */
  imageSizes(repository: RepositoryName, digests: string[]): Promise<(ImageSize | null)[]>;
  /**
   * Stores a manifest whose digest was verified, and moves its tags: here, and before the answer at the service. `DENIED`
   * where the account may not have what it adds, `PRECONDITION_FAILED` where a condition does not hold: of pushes that race,
   * one finds what it expects.
   */
  putManifest(repository: RepositoryName, put: ManifestPut): Promise<OciResult<null>>;
  /** Takes the manifest's tags along. `DENIED` while invariant 7 protects it, `PRECONDITION_FAILED` as above. */
  deleteManifest(
    repository: RepositoryName,
    digest: string,
    conditions?: Conditions,
  ): Promise<OciResult<null>>;
  /** `DENIED` while an environment follows it, `PRECONDITION_FAILED` as above. */
  deleteTag(repository: RepositoryName, tag: string, conditions?: Conditions): Promise<OciResult<null>>;

  /** Tags after `last` in order, at most `limit`, and whether there are more. */
  tags(
    repository: RepositoryName,
    page: { last: string; limit: number },
  ): Promise<{ tags: string[]; more: boolean }>;
  /** Manifests that have `digest` as their subject, by digest, and the digest after which the next page begins. */
  referrers(
    repository: RepositoryName,
    digest: string,
    page: { artifactType: string | null; last: string },
  ): Promise<{ referrers: Referrer[]; next: string | null }>;

  /** The bytes that no tag keeps, and how many there may be. */
  untaggedBytes(): Promise<Quota>;
  /** @param limit null: the default */
  setUntaggedLimit(account: string, limit: number | null): Promise<void>;

  /** Forgets a repository whose service was deleted. */
  removeRepository(repository: RepositoryName): Promise<void>;
}
