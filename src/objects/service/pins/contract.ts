import type { Result } from "../../../domain/result.ts";
import type { Image, ImageDetail, RecordImageBody } from "../../../protocol/v3/images.ts";
import type { ListQuery, Page, SearchQuery } from "../../../protocol/v3/list.ts";
import type { Notice } from "../../../protocol/v3/registry-events.ts";
import type { CreateEnvironmentBody, Environment, Revision } from "../../../protocol/v3/services.ts";
import type { Caller, RegistryCaller } from "../../rpc-types.ts";

export interface PinParams {
  /** A tag or a digest. */
  image: string;
  note?: string;
}

export interface RecentImage {
  repository: string;
  digest: string;
  tag: string | null;
  uploadedAt: number;
}

/** What the registry is about to store and to record. */
export interface AdmittedPush {
  digest: string;
  tags: readonly string[];
  /** What it is where it is no image; null: an image. */
  artifactType: string | null;
}

/** What a service answers about its environments and their pins. */
export interface ServiceEnvironmentsRpc {
  createEnvironment(body: CreateEnvironmentBody, caller: Caller): Promise<Result<Environment>>;
  /** Newest first. */
  listEnvironments(
    query: SearchQuery,
    allowedEnvironments?: readonly string[],
  ): Promise<Result<Page<Environment>>>;
  getEnvironment(name: string, allowedEnvironments?: readonly string[]): Promise<Result<Environment>>;
  history(
    environment: string,
    query: ListQuery,
    allowedEnvironments?: readonly string[],
  ): Promise<Result<Page<Revision>>>;
}

/** What a service answers about its images. */
export interface ServiceImagesRpc {
  /**
   * Records a push. A tag stands on the latest push of an image with it; what is pushed of artifacts is kept apart. What the
   * Registry object says is an image is one; what others record is, unless they say otherwise or it is known otherwise.
   */
  recordImage(body: RecordImageBody, caller: Caller | RegistryCaller): Promise<Result<Image>>;
  /** The same of one that another registry notifies of; null where that was recorded before. */
  recordNotified(push: RecordImageBody, notice: Notice, caller: Caller): Promise<Result<Image | null>>;
  /**
   * From the Registry object, before it stores a push: `quota_exceeded` where the account may not have what it would add.
   * What was admitted can be recorded for a moment, whoever else adds something.
   */
  admitPush(push: AdmittedPush): Promise<Result<null>>;
  /** Newest first, without artifacts; what is searched by its name. A page of that may hold less than its limit. */
  listImages(query: SearchQuery, caller: Pick<Caller, "registryHost">): Promise<Result<Page<Image>>>;
  getImage(
    digest: string,
    caller: Pick<Caller, "registryHost">,
    allowedEnvironments?: readonly string[],
  ): Promise<Result<ImageDetail>>;
  /**
   * `image_in_use` while an environment, one of its recent revisions or a live backend needs it.
   * @param caller the Registry object deletes by its own rules too
   * @param kept `own_registry`: only if it is kept there. The Registry object does not speak for other registries
   */
  deleteImage(
    digest: string,
    caller: Pick<Caller | RegistryCaller, "actor">,
    kept?: "own_registry",
  ): Promise<Result<null>>;
  /**
   * From the Registry object: a tag of its own was deleted. `image_in_use` while an environment follows it. A tag
   * that stands on another digest here is left alone: somebody recorded it since. Where it stood on an artifact, the
   * environments that follow it keep it as the tag of the last image.
   */
  forgetTag(tag: string, digest: string): Promise<Result<null>>;
  /** The most recent pushes, newest first, one entry for each push. */
  recentImages(caller: Pick<Caller, "registryHost">): Promise<Result<RecentImage[]>>;
}
