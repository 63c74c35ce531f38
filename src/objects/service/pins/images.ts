import { reaches, type Scope } from "../../../domain/credentials/access.ts";
import { changeState } from "../../../domain/deploys/approvals.ts";
import {
  imageBackendsListed,
  imageEnvironmentsListed,
  imageTagsListed,
  namesInRowMax,
  noticesKept,
  pushesKept,
  recentImages as recentImagesShown,
} from "../../../domain/limits.ts";
import { isLate, orderOnArrival } from "../../../domain/pins/arrival.ts";
import { checkImageDeletion, checkTagDeletion } from "../../../domain/pins/deletion.ts";
import { saidArtifact } from "../../../domain/registry/artifact.ts";
import { fail, ok, type Result } from "../../../domain/result.ts";
import { isoTime } from "../../../protocol/primitives.ts";
import type { Image, ImageDetail, RecordImageBody } from "../../../protocol/v3/images.ts";
import type { Notice } from "../../../protocol/v3/registry-events.ts";
import type { AdmittedPush, Caller, RecentImage, RegistryCaller } from "../../contract.ts";
import { recordEvent } from "../feed/event-outbox.ts";
import type { ImageRow, TagTable } from "../sql/images.sql.ts";
import type { ServiceRow } from "../sql/service.sql.ts";
import { repositoryOf, type ServiceState } from "../state.ts";

type ForNames = Pick<Caller, "registryHost">;

/** A tag has moved to an image: what follows it may. */
type TagMoved = (push: { tag: string; digest: string }) => void;

/** Records a push. @param tagMoved moves the environments that follow its tag */
export function recordImage(
  state: ServiceState,
  service: ServiceRow,
  body: RecordImageBody,
  caller: Caller | RegistryCaller,
  now: number,
  tagMoved: TagMoved,
): Result<Image> {
  return state.idempotency.once(caller.idempotency, now, () =>
    recordPush(state, service, body, caller, now, tagMoved),
  );
}

/** What a push through the registry adds that has a quota, a tag after the other. */
export function addTags(
  state: ServiceState,
  { digest, tags, artifactType }: AdmittedPush,
  now: number,
): Result<null> {
  const artifact = artifactType === null ? {} : { artifact_type: artifactType };
  for (const tag of tags) addPush(state, { digest, tag, ...artifact }, { isOwn: true }, now);
  return ok(null);
}

/**
 * Records a push that another registry notifies of, unless it was recorded before.
 * @returns null where it was
 */
export function recordNotified(
  state: ServiceState,
  service: ServiceRow,
  now: number,
  tagMoved: TagMoved,
  push: RecordImageBody,
  notice: Notice,
  caller: Caller,
): Result<Image | null> {
  if (notice.id !== null && !state.sql.noteNotice(notice.id, noticesKept)) return ok(null);
  return recordPush(state, service, push, caller, now, tagMoved, notice);
}

/** Records a push with its event. */
function recordPush(
  state: ServiceState,
  service: ServiceRow,
  body: RecordImageBody,
  caller: Caller | RegistryCaller,
  now: number,
  tagMoved: TagMoved,
  notice?: Notice,
): Result<Image> {
  const { digest, tag } = body;
  const moved = addPush(state, body, { isOwn: "origin" in caller, notice }, now);
  const { artifact_type: artifact = null } = state.image(digest) ?? {};
  const details = {
    digest,
    ...(tag === undefined ? {} : { tag }),
    ...(artifact === null ? {} : { artifact_type: artifact }),
  };
  const { actor } = caller;
  recordEvent(state, { type: "image.recorded", actor, service: service.name, details }, now);
  if (moved && tag !== undefined) tagMoved({ tag, digest });
  return withImage(state, digest, (row) => ok(imageView(state, service, row, caller)));
}

/** Where a push comes from. */
interface PushOrigin {
  /** The deployment's own registry, which has the manifest. */
  isOwn: boolean;
  /** Of another registry that notifies of it. */
  notice?: Notice | undefined;
}

/**
 * Adds a push to what the service knows. Of an image that is known, a notification that moves no tag leaves as it is
 * where it is pulled from, and one that comes late leaves the list of pushes as it is too.
 * @returns whether its tag has moved to it, as a tag of images
 */
function addPush(
  state: ServiceState,
  body: RecordImageBody,
  { isOwn, notice }: PushOrigin,
  now: number,
): boolean {
  const { digest, tag, repository = null, media_type = null } = body;
  const claimed = notice?.order ?? null;
  const order = claimed === null ? null : orderOnArrival({ repository, at: claimed }, now);
  const before = state.sql.image(digest);
  const said = saidArtifact({ mediaType: body.media_type, artifactType: body.artifact_type });
  const artifact = said ?? (isOwn ? null : (before?.artifact_type ?? null));
  const isLateIn = (table: TagTable) => tag !== undefined && isLate(order, state.sql.tagOrder(tag, table));
  const late = isLateIn("tags") || (artifact !== null && isLateIn("artifact_tags"));
  const known = notice && before;
  if (known && late) return false;
  const isMoved = tag !== undefined && !late;
  const pushedAt = body.pushed_at === undefined ? now : Date.parse(body.pushed_at);
  state.sql.putImage({
    digest,
    repository: known && !isMoved ? known.repository : repository,
    media_type,
    pushed_at: pushedAt,
    artifact_type: artifact,
  });
  if (artifact !== null) {
    if (before?.artifact_type === null) state.sql.setTagsApart(before);
    if (isMoved) state.sql.setArtifactTag(tag, digest, order);
    return false;
  }
  const push = { digest, tag: tag ?? null, repository, pushed_at: pushedAt };
  state.sql.insertPush(push, before?.push ?? null, pushesKept);
  if (!isMoved) return false;
  if (!isLateIn("artifact_tags")) state.sql.deleteArtifactTag(tag);
  state.sql.setTag(tag, digest, order);
  return true;
}

export function getImage(
  state: ServiceState,
  service: ServiceRow,
  digest: string,
  caller: ForNames,
  allowed: Scope["environments"],
): Result<ImageDetail> {
  return withImage(state, digest, (row) => {
    const environments = state.environments.resolvingTo(digest).filter(({ name }) => reaches(allowed, name));
    return ok({
      ...imageView(state, service, row, caller),
      environments: environments.slice(0, imageEnvironmentsListed).map(({ name }) => name),
      environments_total: environments.length,
      live_backends: backendsOn(state, digest, allowed, imageBackendsListed),
    });
  });
}

/** Forgets a tag that stands on this digest, unless an environment follows it. */
export function forgetTag(
  state: ServiceState,
  service: ServiceRow,
  tag: string,
  digest: string,
  now: number,
): Result<null> {
  if (state.sql.artifactTag(tag)?.digest === digest) removeArtifactTag(state, tag);
  else {
    if (state.sql.tag(tag)?.digest !== digest) return ok(null);
    const checked = checkTagDeletion(
      tag,
      state.environments.on(tag).map(({ name }) => name),
    );
    if (!checked.ok) return checked;
    state.sql.deleteTag(tag);
  }
  const details = { tag, digest };
  recordEvent(state, { type: "tag.removed", actor: null, service: service.name, details }, now);
  return ok(null);
}

/**
 * Forgets a tag of the own registry that stands on an artifact there. The image that it stood on before goes on having it
 * here for the environments that follow it; without any, it has it nowhere.
 */
function removeArtifactTag(state: ServiceState, tag: string): void {
  state.sql.deleteArtifactTag(tag);
  const image = state.image(state.sql.tag(tag)?.digest ?? "");
  const isOwn = image !== undefined && image.repository === null;
  if (isOwn && state.environments.on(tag).length === 0) state.sql.deleteTag(tag);
}

/** Forgets an image, unless invariant 7 protects it. */
export function deleteImage(
  state: ServiceState,
  service: ServiceRow,
  digest: string,
  { actor }: Pick<Caller | RegistryCaller, "actor">,
  kept: "own_registry" | undefined,
  now: number,
): Result<null> {
  return withImage(state, digest, (row) => {
    const { repository } = row;
    if (kept === "own_registry" && repository !== null) return ok(null);
    const nameOf = ({ environment }: { environment: number }) =>
      state.environments.withSeq(environment)?.name;
    const checked = checkImageDeletion(digest, {
      resolving: state.environments.resolvingTo(digest).map(({ name }) => name),
      backends: backendsOn(state, digest).reverse(),
      returning: state.sql.protecting(digest, 1).flatMap((kept) => {
        const environment = nameOf(kept);
        return environment === undefined ? [] : [{ environment, revision: kept.revision }];
      }),
      candidateIn: state.sql
        .environmentsAwaiting(digest, namesInRowMax)
        .flatMap((kept) => nameOf(kept) ?? []),
      changes: changesTo(state, digest, now),
    });
    if (!checked.ok) return checked;
    if (kept === "own_registry") {
      for (const { tag } of state.sql.artifactTagsOf(digest)) removeArtifactTag(state, tag);
    }
    state.sql.deleteImage(row);
    state.sql.deleteChecksOf(digest);
    recordEvent(state, { type: "image.deleted", actor, service: service.name, details: { digest } }, now);
    return ok(null);
  });
}

export function recentImages(
  state: ServiceState,
  service: ServiceRow,
  { registryHost }: ForNames,
): RecentImage[] {
  return state.sql.recentPushes(recentImagesShown).map((push) => ({
    repository: repositoryOf(push, service, registryHost),
    digest: push.digest,
    tag: push.tag,
    uploadedAt: push.pushed_at,
  }));
}

/** Live backends that run an image, the newest first, at most so many. @param allowed as in `reaches` */
function backendsOn(
  state: ServiceState,
  digest: string,
  allowed?: Scope["environments"],
  atMost = Number.MAX_SAFE_INTEGER,
): string[] {
  return state.backends
    .running(digest, atMost, ({ environment }) => reaches(allowed, environment))
    .map(({ id }) => id);
}

/** Ids of the changes that would bring a digest in, and are open. */
function changesTo(state: ServiceState, digest: string, now: number): string[] {
  return state.sql.changesTo(digest).flatMap((row) => {
    const revision = state.environments.withSeq(row.environment)?.revision ?? null;
    return changeState(row, revision, now) === "open" ? [row.id] : [];
  });
}

/** Does something with an image or artifact that was pushed; `image_not_found` for any other digest. */
export function withImage<T>(
  state: ServiceState,
  digest: string,
  act: (row: ImageRow) => Result<T>,
): Result<T> {
  const row = state.sql.image(digest);
  return row
    ? act(row)
    : fail("image_not_found", `no image with digest \`${digest}\` was pushed to this service`);
}

/** An image as the API answers it. */
export function imageView(
  state: ServiceState,
  service: ServiceRow,
  row: ImageRow,
  { registryHost }: ForNames,
): Image {
  const table: TagTable = row.artifact_type === null ? "tags" : "artifact_tags";
  const tags = state.sql.firstTagsOf(row.digest, imageTagsListed, table);
  return {
    digest: row.digest,
    tags: tags.map(({ tag }) => tag),
    tags_total: tags.length < imageTagsListed ? tags.length : state.sql.tagCountOf(row.digest, table),
    repository: repositoryOf(row, service, registryHost),
    ...(row.media_type === null ? {} : { media_type: row.media_type }),
    ...(row.artifact_type === null ? {} : { artifact_type: row.artifact_type }),
    pushed_at: isoTime(row.pushed_at),
  };
}
