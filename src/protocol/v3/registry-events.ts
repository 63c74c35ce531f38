import { z } from "zod";
import { digestPattern, tagPattern } from "../../domain/pins/images.ts";
import { isoTime } from "../primitives.ts";
import { type RecordImageBody, recordImageBody } from "./images.ts";

/*
 * Notifications of pushes as image registries send them. Each is parsed as far as it says which digest was pushed
 * under which tag; every other field is ignored, so that its sender may change it.
 */

/** CNCF distribution, "Notifications": an envelope of events, pulls and deletions among them. */
const distribution = z.object({
  events: z.array(
    z.object({
      action: z.string(),
      timestamp: z.string(),
      target: z.object({
        mediaType: z.string().optional(),
        digest: z.string().optional(),
        repository: z.string(),
        tag: z.string().optional(),
      }),
      request: z.object({ host: z.string().optional() }).optional(),
    }),
  ),
});

/** Harbor, "Webhook notifications", in its default payload format. `occur_at` in seconds. */
const harbor = z.object({
  type: z.string(),
  occur_at: z.int(),
  event_data: z.object({
    resources: z.array(
      z.object({ digest: z.string(), tag: z.string().optional(), resource_url: z.string().optional() }),
    ),
  }),
});

/** GitHub's `registry_package` webhook, which packages of its container registry send. */
const github = z.object({
  action: z.string(),
  registry_package: z.object({
    package_version: z.object({
      version: z.string(),
      package_url: z.string().optional(),
      created_at: z.string().optional(),
      container_metadata: z
        .object({ tag: z.object({ name: z.string(), digest: z.string() }).partial().optional() })
        .optional(),
    }),
  }),
});

/** Amazon ECR, "Events and EventBridge": the image action event. */
const amazon = z.object({
  source: z.literal("aws.ecr"),
  "detail-type": z.string(),
  account: z.string(),
  region: z.string(),
  time: z.string(),
  detail: z.object({
    result: z.string().optional(),
    "action-type": z.string().optional(),
    "repository-name": z.string(),
    "image-digest": z.string().optional(),
    "image-tag": z.string().optional(),
  }),
});

/** One push of a notification before it is validated: senders need not follow OCI's grammars. */
interface NotifiedPush {
  digest: string | undefined;
  tag: string | undefined;
  repository: string | undefined;
  mediaType?: string | undefined;
  pushedAt: string | undefined;
}

/** The outcome of a notification: images to record, and how many of its events were ignored. */
export interface RegistryEvents {
  pushes: RecordImageBody[];
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
  ignored: z.int().describe("Events that are no pushes of images, or name neither a digest nor a usable tag"),
});

/** The images that a notification says were pushed, in its order. Never fails: what is no usable push is counted. */
export function readRegistryEvents(body: RegistryEventsBody): RegistryEvents {
  const events = notifiedPushes(body);
  const pushes = events.flatMap((push) => (push ? (toRecord(push) ?? []) : []));
  return { pushes, ignored: events.length - pushes.length };
}

/** Each event of a notification; null for one that is no push. */
function notifiedPushes(body: RegistryEventsBody): (NotifiedPush | null)[] {
  if ("events" in body) return body.events.map(distributionPush);
  if ("event_data" in body) return harborPushes(body);
  if ("registry_package" in body) return [githubPush(body)];
  return [amazonPush(body)];
}

function distributionPush({
  action,
  timestamp,
  target,
  request,
}: z.infer<typeof distribution>["events"][number]) {
  if (action !== "push") return null;
  const host = request?.host;
  return {
    digest: target.digest,
    tag: target.tag,
    repository: host ? `${host}/${target.repository}` : undefined,
    mediaType: target.mediaType,
    pushedAt: timestamp,
  };
}

function harborPushes({ type, occur_at, event_data }: z.infer<typeof harbor>) {
  return event_data.resources.map(({ digest, tag, resource_url }) =>
    type === "PUSH_ARTIFACT"
      ? { digest, tag, repository: repositoryOf(resource_url), pushedAt: isoTime(occur_at * 1000) }
      : null,
  );
}

function githubPush({ action, registry_package }: z.infer<typeof github>) {
  if (action !== "published" && action !== "updated") return null;
  const { version, package_url, created_at, container_metadata } = registry_package.package_version;
  const tag = container_metadata?.tag;
  return {
    digest: tag?.digest || version,
    tag: tag?.name || undefined,
    repository: repositoryOf(package_url),
    pushedAt: created_at,
  };
}

function amazonPush({ account, region, time, detail }: z.infer<typeof amazon>) {
  if (detail["action-type"] !== "PUSH" || (detail.result ?? "SUCCESS") !== "SUCCESS") return null;
  return {
    digest: detail["image-digest"],
    tag: detail["image-tag"],
    repository: `${account}.dkr.ecr.${region}.amazonaws.com/${detail["repository-name"]}`,
    pushedAt: time,
  };
}

/** An image reference without its tag and digest. */
function repositoryOf(reference: string | undefined): string | undefined {
  return reference?.replace(/@.*$/, "").replace(/:[^/]*$/, "") || undefined;
}

/** A push as it is recorded; null where it names no digest. Of the rest, what is malformed is left out. */
function toRecord({ digest, tag, repository, mediaType, pushedAt }: NotifiedPush): RecordImageBody | null {
  if (digest === undefined || !digestPattern.test(digest)) return null;
  const at = pushedAt === undefined ? Number.NaN : Date.parse(pushedAt);
  const record = {
    digest,
    ...(tag !== undefined && tagPattern.test(tag) ? { tag } : {}),
    ...(mediaType === undefined ? {} : { media_type: mediaType }),
    ...(Number.isNaN(at) ? {} : { pushed_at: isoTime(at) }),
  };
  const parsed = recordImageBody.safeParse({
    ...record,
    ...(repository === undefined ? {} : { repository }),
  });
  return parsed.success ? parsed.data : null;
}
