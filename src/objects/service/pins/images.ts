import { recentImages as recentImagesShown, resolvedRevisionsProtected } from "../../../domain/limits.ts";
import { checkImageDeletion, checkTagDeletion } from "../../../domain/pins/deletion.ts";
import { type PinHistory, storedPin } from "../../../domain/pins/pin.ts";
import { fail, ok, type Result } from "../../../domain/result.ts";
import { isoTime } from "../../../protocol/primitives.ts";
import type { Image, ImageDetail, RecordImageBody } from "../../../protocol/v3/images.ts";
import type { ListQuery, Page } from "../../../protocol/v3/list.ts";
import type { Actor, RecentImage } from "../../contract.ts";
import { pageStart, toPage } from "../../page.ts";
import { recordEvent } from "../feed/event-outbox.ts";
import type { EnvironmentRow, ImageRow, ServiceRow } from "../sql/service.sql.ts";
import { repositoryOf, type ServiceState } from "../state.ts";
import { digestOf } from "./environments.ts";

/**
 * Records a push. The tag moves to it, unless both this push and the one the tag stands on say when they happened
 * and this one is the earlier: notifications may arrive out of order.
 */
export function recordImage(
  state: ServiceState,
  service: ServiceRow,
  body: RecordImageBody,
  registryHost: string,
  actor: Actor | null,
  now: number,
): Result<Image> {
  const claimedAt = body.pushed_at === undefined ? null : Date.parse(body.pushed_at);
  const pushedAt = claimedAt ?? now;
  const repository = body.repository ?? null;
  state.sql.putImage({
    digest: body.digest,
    repository,
    media_type: body.media_type ?? null,
    pushed_at: pushedAt,
  });
  state.sql.insertPush({ digest: body.digest, tag: body.tag ?? null, repository, pushed_at: pushedAt });
  if (body.tag !== undefined) {
    const current = state.sql.tag(body.tag);
    const isLate = claimedAt !== null && (current?.claimed_at ?? Number.NEGATIVE_INFINITY) > claimedAt;
    if (!isLate) state.sql.setTag(body.tag, body.digest, claimedAt);
  }
  const details = { digest: body.digest, ...(body.tag === undefined ? {} : { tag: body.tag }) };
  recordEvent(state, { type: "image.recorded", actor, service: service.name, details }, now);
  return withImage(state, body.digest, (row) => ok(imageView(state, service, row, registryHost)));
}

export function listImages(
  state: ServiceState,
  service: ServiceRow,
  query: ListQuery,
  registryHost: string,
): Result<Page<Image>> {
  const start = pageStart(query);
  if (!start.ok) return start;
  return ok(
    toPage(
      state.sql.imagesBefore(start.value, query.limit + 1),
      query.limit,
      ({ seq }) => seq,
      (row) => imageView(state, service, row, registryHost),
    ),
  );
}

export function getImage(
  state: ServiceState,
  service: ServiceRow,
  digest: string,
  registryHost: string,
): Result<ImageDetail> {
  return withImage(state, digest, (row) =>
    ok({
      ...imageView(state, service, row, registryHost),
      environments: environmentsOn(state, digest).map(({ name }) => name),
      live_backends: backendsOn(state, digest),
    }),
  );
}

/** Forgets a tag that stands on this digest, unless an environment follows it. */
export function forgetTag(state: ServiceState, tag: string, digest: string, now: number): Result<null> {
  if (state.sql.tag(tag)?.digest !== digest) return ok(null);
  const pins = new Map(state.sql.environments().map(({ name, image }) => [name, storedPin(image)]));
  const checked = checkTagDeletion(tag, pins);
  if (!checked.ok) return checked;
  state.sql.deleteTag(tag);
  const service = state.row().name;
  recordEvent(state, { type: "tag.removed", actor: null, service, details: { tag, digest } }, now);
  return ok(null);
}

/** Forgets an image, unless invariant 7 protects it. */
export function deleteImage(
  state: ServiceState,
  digest: string,
  kept: "own_registry" | undefined,
  actor: Actor | null,
  now: number,
): Result<null> {
  return withImage(state, digest, ({ repository }) => {
    if (kept === "own_registry" && repository !== null) return ok(null);
    const checked = checkImageDeletion(digest, {
      pins: state.sql.environments().map((row) => pinHistory(state, row)),
      backends: backendsOn(state, digest),
      images: state.imageIndex(),
    });
    if (!checked.ok) return checked;
    state.sql.deleteImage(digest);
    const service = state.row().name;
    recordEvent(state, { type: "image.deleted", actor, service, details: { digest } }, now);
    return ok(null);
  });
}

export function recentImages(state: ServiceState, service: ServiceRow, registryHost: string): RecentImage[] {
  return state.sql.recentPushes(recentImagesShown).map((push) => ({
    repository: repositoryOf(push, service, registryHost),
    digest: push.digest,
    tag: push.tag,
    uploadedAt: push.pushed_at,
  }));
}

/** An environment's pin, with as many revisions as it can protect digests by. */
function pinHistory(state: ServiceState, row: EnvironmentRow): PinHistory {
  return {
    environment: row.name,
    pin: storedPin(row.image),
    revisions: state.sql.revisionsBefore(row.seq, row.revision + 1, resolvedRevisionsProtected),
  };
}

/** The environments that resolve to a digest now. */
function environmentsOn(state: ServiceState, digest: string): EnvironmentRow[] {
  return state.sql.environments().filter((row) => digestOf(state, row) === digest);
}

function backendsOn(state: ServiceState, digest: string): string[] {
  return state.sql.liveBackends().flatMap((row) => (row.digest === digest ? [row.id] : []));
}

function withImage<T>(state: ServiceState, digest: string, act: (row: ImageRow) => Result<T>): Result<T> {
  const row = state.sql.image(digest);
  return row
    ? act(row)
    : fail("image_not_found", `no image with digest \`${digest}\` was pushed to this service`);
}

function imageView(state: ServiceState, service: ServiceRow, row: ImageRow, registryHost: string): Image {
  return {
    digest: row.digest,
    tags: state.sql.tagsOf(row.digest).map(({ tag }) => tag),
    repository: repositoryOf(row, service, registryHost),
    ...(row.media_type === null ? {} : { media_type: row.media_type }),
    pushed_at: isoTime(row.pushed_at),
  };
}
