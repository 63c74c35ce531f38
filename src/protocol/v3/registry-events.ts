import { z } from "zod";
import { notificationEventsMax, notificationTextMaxCharacters } from "../../domain/limits.ts";
import { tagPattern } from "../../domain/pins/images.ts";
import { artifactOf } from "../../domain/registry/artifact.ts";
import { imageTypes, isManifestType } from "../../domain/registry/media-types.ts";
import { isoTime } from "../primitives.ts";
import { type RecordImageBody, recordImageBody } from "./images.ts";

/*
 * Notifications of pushes as image registries send them. Each is parsed as far as it says which digest was pushed
 * under which tag; every other field is ignored, so that its sender may change it.
 */

/** Bounded, and no more: what does not follow OCI's grammars is ignored, and not refused. */
const text = z.string().max(notificationTextMaxCharacters);

/** The last that RFC 3339 can write. */
const lastSecond = Date.UTC(9999, 11, 31) / 1000;

/** A descriptor, as far as it says what something is. */
const described = z.object({ mediaType: text.optional() });
/** The same in GitHub's words. */
const describedByGithub = z.object({ media_type: text.optional() });

/** CNCF distribution, "Notifications": an envelope of events, pulls and deletions among them. */
const distribution = z.object({
  events: z
    .array(
      z.object({
        id: text.optional(),
        action: text,
        timestamp: text,
        target: z.object({
          mediaType: text.optional(),
          digest: text.optional(),
          repository: text,
          tag: text.optional(),
          /** Config and layers, where the registry is configured to send them (`includereferences`). */
          references: z.array(described).max(notificationEventsMax).optional().catch(undefined),
        }),
        request: z.object({ host: text.optional() }).optional(),
      }),
    )
    .max(notificationEventsMax),
});

/** Harbor, "Webhook notifications", in its default payload format. `occur_at` in seconds. */
const harbor = z.object({
  type: text,
  operator: text.optional(),
  occur_at: z.int().nonnegative().max(lastSecond),
  event_data: z.object({
    resources: z
      .array(z.object({ digest: text, tag: text.optional(), resource_url: text.optional() }))
      .max(notificationEventsMax),
  }),
});

/** GitHub's `registry_package` webhook, which packages of its container registry send. */
const github = z.object({
  action: text,
  registry_package: z.object({
    package_version: z.object({
      version: text,
      package_url: text.optional(),
      created_at: text.optional(),
      container_metadata: z
        .object({
          tag: z.object({ name: text, digest: text }).partial().optional(),
          manifest: describedByGithub
            .extend({
              config: describedByGithub,
              layers: z.array(describedByGithub).max(notificationEventsMax),
            })
            .optional()
            .catch(undefined),
        })
        .optional(),
    }),
  }),
});

/** Amazon ECR, "Events and EventBridge": the image action event. */
const amazon = z.object({
  id: text.optional(),
  source: z.literal("aws.ecr"),
  "detail-type": text,
  account: text,
  region: text,
  time: text,
  detail: z.object({
    result: text.optional(),
    "action-type": text.optional(),
    "repository-name": text,
    "image-digest": text.optional(),
    "image-tag": text.optional(),
    "manifest-media-type": text.optional().catch(undefined),
    "artifact-media-type": text.optional().catch(undefined),
  }),
});

/** One push of a notification before it is validated: senders need not follow OCI's grammars. */
interface NotifiedPush {
  digest: string | undefined;
  tag: string | undefined;
  repository: string | undefined;
  mediaType?: string | undefined;
  /** What it is, where it is no image. */
  artifactType?: string | null | undefined;
  pushedAt: string | undefined;
  notice: Notice;
}

/** What a registry says of a push beside what was pushed: what tells one that comes again, or late, from a new one. */
export interface Notice {
  /** Of the event; null where it has none. */
  id: string | null;
  /** When the registry says that it happened, in milliseconds since the epoch, where that orders its events; else null. */
  order: number | null;
}

/** A push that another registry notifies of. */
export interface NotifiedImage {
  push: RecordImageBody;
  notice: Notice;
}

/** The outcome of a notification: images to record, and how many of its events are not of images. */
export interface RegistryEvents {
  images: NotifiedImage[];
  ignored: number;
}

/** `POST …/services/{service}/registry-events`: a notification in the format of any of these registries. */
export const registryEventsBody = z
  .union([distribution, harbor, github, amazon], {
    error:
      "this is no notification of CNCF distribution, Harbor, GitHub (registry_package) or Amazon ECR (image action)",
  })
  .meta({ id: "RegistryEvents" });
export type RegistryEventsBody = z.infer<typeof registryEventsBody>;

/** The answer to it. */
export const registryEventsAnswer = z.object({
  recorded: z.array(z.object({ digest: z.string(), tag: z.string().optional() })),
  repeated: z.int().describe("Events that were recorded before: they change nothing"),
  ignored: z
    .int()
    .describe("Events that are no pushes of images, layers and configs among them, or name no usable digest"),
});

/**
 * The images that a notification says were pushed, in its order. Never fails: what is no usable push is counted.
 * @param delivery the request's `X-GitHub-Delivery`, which a redelivery has too; null where it has none
 */
export function readRegistryEvents(body: RegistryEventsBody, delivery: string | null = null): RegistryEvents {
  const events = notifiedPushes(body, delivery);
  const images = events.flatMap((push) => (push ? (toRecord(push) ?? []) : []));
  return { images, ignored: events.length - images.length };
}

/** Each event of a notification; null for one that is no push. */
function notifiedPushes(body: RegistryEventsBody, delivery: string | null): (NotifiedPush | null)[] {
  if ("events" in body) return body.events.map(distributionPush);
  if ("event_data" in body) return harborPushes(body);
  if ("registry_package" in body) return [githubPush(body, delivery)];
  return [amazonPush(body)];
}

/** Names an event among those of all registries. */
function eventId(registry: string, ...of: (string | number | null | undefined)[]): string {
  return JSON.stringify([registry, ...of]);
}

function orderOf(time: string): number | null {
  const order = Date.parse(time);
  return Number.isNaN(order) ? null : order;
}

function distributionPush({
  id,
  action,
  timestamp,
  target,
  request,
}: z.infer<typeof distribution>["events"][number]) {
  if (action !== "push") return null;
  // It notifies of each layer and config as well.
  if (target.mediaType !== undefined && !isManifestType(target.mediaType)) return null;
  const host = request?.host;
  const references = target.references ?? [];
  const isImage = target.mediaType !== undefined && imageTypes.includes(target.mediaType);
  return {
    digest: target.digest,
    tag: target.tag,
    repository: host ? `${host}/${target.repository}` : undefined,
    mediaType: target.mediaType,
    artifactType: isImage ? artifactOfTypes(references.map(({ mediaType }) => mediaType)) : null,
    pushedAt: timestamp,
    notice: { id: id ? eventId("distribution", id) : null, order: orderOf(timestamp) },
  };
}

function harborPushes({ type, occur_at, operator, event_data }: z.infer<typeof harbor>) {
  return event_data.resources.map(({ digest, tag, resource_url }) => {
    if (type !== "PUSH_ARTIFACT") return null;
    // Its events have no ids: what one says is its name.
    const id = eventId("harbor", occur_at, operator, digest, tag, resource_url);
    return {
      digest,
      tag,
      repository: repositoryOf(resource_url),
      pushedAt: isoTime(occur_at * 1000),
      notice: { id, order: occur_at * 1000 },
    };
  });
}

function githubPush({ action, registry_package }: z.infer<typeof github>, delivery: string | null) {
  if (action !== "published" && action !== "updated") return null;
  const { version, package_url, created_at, container_metadata } = registry_package.package_version;
  const tag = container_metadata?.tag;
  const manifest = container_metadata?.manifest;
  const types = manifest ? [manifest.config, ...manifest.layers].map(({ media_type }) => media_type) : [];
  return {
    digest: tag?.digest || version,
    tag: tag?.name || undefined,
    repository: repositoryOf(package_url),
    mediaType: manifest?.media_type,
    artifactType: artifactOfTypes(types),
    pushedAt: created_at,
    // A version that is tagged again is as old as before: its time orders nothing.
    notice: { id: delivery === null ? null : eventId("github", delivery), order: null },
  };
}

function amazonPush({ id, account, region, time, detail }: z.infer<typeof amazon>) {
  if (detail["action-type"] !== "PUSH" || (detail.result ?? "SUCCESS") !== "SUCCESS") return null;
  return {
    digest: detail["image-digest"],
    tag: detail["image-tag"],
    repository: `${account}.dkr.ecr.${region}.amazonaws.com/${detail["repository-name"]}`,
    mediaType: detail["manifest-media-type"],
    artifactType: detail["artifact-media-type"],
    pushedAt: time,
    notice: { id: id ? eventId("amazon", id) : null, order: orderOf(time) },
  };
}

/** The types that a notification gives, as far as they are any. */
function definedTypes(mediaType: string | undefined, artifactType: string | null | undefined) {
  const { media_type, artifact_type } = recordImageBody.shape;
  const type = media_type.safeParse(mediaType || undefined).data;
  const artifact = artifact_type.safeParse(artifactType || undefined).data;
  return {
    ...(type === undefined ? {} : { media_type: type }),
    ...(artifact === undefined ? {} : { artifact_type: artifact }),
  };
}

/** What a manifest is by the types of its config and of the layers behind it. */
function artifactOfTypes(types: readonly (string | undefined)[]): string | null {
  const [configType = null, ...layerTypes] = types.map((type) => type ?? null);
  return artifactOf({ artifactType: null, configType, layerTypes });
}

/** An image reference without its tag and digest. */
function repositoryOf(reference: string | undefined): string | undefined {
  return reference?.replace(/@.*/, "").replace(/:[^/]*$/, "") || undefined;
}

/** A push as it is recorded, without a tag or time that is malformed; null where anything else is, or it names no digest. */
function toRecord({
  digest,
  tag,
  repository,
  mediaType,
  artifactType,
  pushedAt,
  notice,
}: NotifiedPush): NotifiedImage | null {
  const at = Date.parse(pushedAt ?? "");
  const parsed = recordImageBody.safeParse({
    digest,
    ...(tag !== undefined && tagPattern.test(tag) ? { tag } : {}),
    ...(repository === undefined ? {} : { repository }),
    ...definedTypes(mediaType, artifactType),
    ...(Number.isNaN(at) ? {} : { pushed_at: isoTime(at) }),
  });
  return parsed.success ? { push: parsed.data, notice } : null;
}
