import { reaches } from "./credentials/access.ts";
import { encodeRandom, idAlphabet } from "./ids.ts";
import { shortDigest } from "./pins/images.ts";
import { followedKinds, type RevisionKind } from "./pins/revision.ts";

/** What an account's owner may want to know of later: who did what. Spawns are not among them; they are too many. */
export const eventTypes = [
  "service.created",
  /** Another default environment. */
  "service.changed",
  "service.deleted",
  "environment.created",
  /** Another cluster, or other settings; what it resolves to has an event of its own. */
  "environment.changed",
  "environment.deleted",
  /** It was pinned, or a push moved it: a revision (`details.kind`). */
  "environment.pinned",
  /** An image was pushed, or pushed again; or something that is none (`details.artifact_type`). */
  "image.recorded",
  "image.deleted",
  /** A tag was deleted in the registry; its image stays. */
  "tag.removed",
  /** Somebody terminated one backend or many; not: a backend ended. */
  "backend.terminated",
  /** Somebody vouched that a backend does not run any more, which nothing had shown. */
  "backend.released",
  /** Somebody began to drain an environment, or a service, of what it runs no more. */
  "drain.started",
  /** All of that has ended, or the drain was cancelled (`details.state`). */
  "drain.ended",
  "cluster.registered",
  /** Another webhook URL, or other options. */
  "cluster.changed",
  "cluster.deleted",
  /** It takes no new backends. */
  "cluster.drained",
  "cluster.undrained",
  /** No agent of it has reported for so long that its backends were ended. */
  "cluster.lost",
  "cluster.secret_rotated",
  "token.created",
  "token.revoked",
  /** The deployment set how much the account may store. */
  "account.quotas_changed",
  /** A login, of a browser or the CLI. */
  "session.created",
  "session.revoked",
] as const;
/** What somebody, or the system, has done. */
export type EventType = (typeof eventTypes)[number];

/**
 * What an event is kept as. `deed`: what somebody changed, which is looked for months later. `activity`: what pushes,
 * backends and agents do by the thousand, which is on their own records too, and must not crowd out the former.
 */
export type EventKind = "deed" | "activity";

/** @example eventKind({ type: "backend.terminated" }) // "activity" */
export function eventKind({
  type,
  details,
}: {
  type: EventType;
  details?: Readonly<EventDetails>;
}): EventKind {
  switch (type) {
    case "environment.pinned":
      return followedKinds.some((kind) => kind === details?.kind) ? "activity" : "deed";
    case "image.recorded":
    case "backend.terminated":
    case "cluster.drained":
    case "cluster.undrained":
    case "cluster.lost":
      return "activity";
    default:
      return "deed";
  }
}

/** Machine-readable extras of an event. Never a secret. */
export type EventDetails = Record<string, string | number | boolean | null | string[]>;

type OfService = { service: string };
type OfEnvironment = OfService & { environment: string };
type OfCluster = { cluster: string };

type DrainDetails = {
  drain_id: string;
  digest?: string;
  before_revision?: number;
  /** RFC 3339. */
  before?: string;
};

/** What each type of event says. */
interface FactsOf {
  "service.created": OfService;
  "service.changed": OfService & { details: { default_environment: string | null } };
  "service.deleted": OfService;
  "environment.created": OfEnvironment & { details: { image: string } };
  "environment.changed": OfEnvironment & { details: EventDetails };
  "environment.deleted": OfEnvironment;
  "environment.pinned": OfEnvironment & {
    details: {
      kind: Exclude<RevisionKind, "create">;
      image: string;
      digest: string;
      revision: number;
      note?: string;
    };
  };
  /** With an artifact's type, where it is no image. */
  "image.recorded": OfService & { details: { digest: string; tag?: string; artifact_type?: string } };
  "image.deleted": OfService & { details: { digest: string } };
  "tag.removed": OfService & { details: { tag: string; digest: string } };
  /** One backend, or with a count many at once. */
  "backend.terminated": OfService &
    (
      | { environment: string; backend_id: string; details: { hard: boolean } }
      | { details: { hard: boolean; count: number } }
    );
  "backend.released": OfEnvironment & { backend_id: string; details: { note: string } };
  /** With what it means, as far as it names that, and how many that are. */
  "drain.started": OfService & { environment?: string; details: DrainDetails & { live: number } };
  "drain.ended": OfService & {
    environment?: string;
    details: DrainDetails & { state: "drained" | "cancelled"; total: number; ended: number; reason?: string };
  };
  "cluster.registered": OfCluster;
  "cluster.changed": OfCluster & { details: EventDetails };
  "cluster.deleted": OfCluster;
  "cluster.drained": OfCluster;
  "cluster.undrained": OfCluster;
  "cluster.lost": OfCluster;
  "cluster.secret_rotated": OfCluster;
  "token.created": { details: { token_id: string; token_name: string; role: string } };
  "token.revoked": { details: { token_id: string; token_name: string } };
  /** Each quota with its new limit; null: the default. */
  "account.quotas_changed": { details: Record<string, number | null> };
  "session.created": { details?: EventDetails };
  "session.revoked": { details?: EventDetails };
}

/** What happened and to what, without who and when. */
export type EventFacts = { [Type in EventType]: { type: Type } & FactsOf[Type] }[EventType];

/**
 * One sentence for people, without its subject, which is shown beside it. Digests are cut to what can be compared by eye.
 * @example eventMessage({ type: "service.created", service: "hello" }) // "created service `hello`"
 */
export function eventMessage(facts: EventFacts): string {
  switch (facts.type) {
    case "service.created":
      return `created service \`${facts.service}\``;
    case "service.changed": {
      const { default_environment: chosen } = facts.details;
      return chosen === null
        ? `took the default environment from service \`${facts.service}\``
        : `made \`${chosen}\` the default environment of service \`${facts.service}\``;
    }
    case "service.deleted":
      return `deleted service \`${facts.service}\``;
    case "environment.created":
      return `created environment \`${facts.environment}\`, pinned to \`${shortImage(facts.details.image)}\``;
    case "environment.changed":
      return `changed ${listed(facts.details)} of environment \`${facts.environment}\``;
    case "environment.deleted":
      return `deleted environment \`${facts.environment}\``;
    case "environment.pinned": {
      const { kind, image, digest } = facts.details;
      if (kind === "push") {
        return `moved \`${facts.environment}\` to ${shortImage(digest)} by a push of \`${image}\``;
      }
      const resolved = image === digest ? "" : ` (${shortImage(digest)})`;
      return `pinned \`${facts.environment}\` to \`${shortImage(image)}\`${resolved}`;
    }
    case "image.recorded": {
      const { digest, tag, artifact_type: artifact } = facts.details;
      const what = artifact === undefined ? "image" : "artifact";
      return `recorded ${what} ${shortImage(digest)}${tag === undefined ? "" : ` as \`${tag}\``}`;
    }
    case "image.deleted":
      return `deleted image ${shortImage(facts.details.digest)}`;
    case "tag.removed":
      return `removed tag \`${facts.details.tag}\` from image ${shortImage(facts.details.digest)}`;
    case "backend.terminated": {
      const how = facts.details.hard ? "at once" : "softly";
      if ("backend_id" in facts) return `terminated backend \`${facts.backend_id}\` ${how}`;
      const { count } = facts.details;
      return `terminated ${count} ${count === 1 ? "backend" : "backends"} of service \`${facts.service}\` ${how}`;
    }
    case "backend.released":
      return `released backend \`${facts.backend_id}\`: ${facts.details.note}`;
    case "drain.started": {
      const { live } = facts.details;
      return `began to drain ${drained(facts)}: ${live} ${live === 1 ? "backend" : "backends"}`;
    }
    case "drain.ended": {
      const { state, total, ended } = facts.details;
      return state === "drained"
        ? `drained ${drained(facts)}: ${ended} ${ended === 1 ? "backend" : "backends"} ended`
        : `cancelled the drain of ${drained(facts)}: ${ended} of ${total} had ended`;
    }
    case "cluster.registered":
      return `registered cluster \`${facts.cluster}\``;
    case "cluster.changed":
      return `changed ${listed(facts.details)} of cluster \`${facts.cluster}\``;
    case "cluster.deleted":
      return `deleted cluster \`${facts.cluster}\``;
    case "cluster.drained":
      return `began to drain cluster \`${facts.cluster}\`: it takes no new backends`;
    case "cluster.undrained":
      return `ended the draining of cluster \`${facts.cluster}\`: it takes new backends again`;
    case "cluster.lost":
      return `lost cluster \`${facts.cluster}\`: none of its agents is heard any more`;
    case "cluster.secret_rotated":
      return `rotated the signing secret of cluster \`${facts.cluster}\``;
    case "token.created":
      return `created token \`${facts.details.token_name}\` with the role \`${facts.details.role}\``;
    case "token.revoked":
      return `revoked token \`${facts.details.token_name}\``;
    case "account.quotas_changed":
      return `changed ${listed(facts.details)} of the account's quotas`;
    case "session.created":
      return "logged in";
    case "session.revoked":
      return "ended a session";
  }
}

/** What a drain is of. */
function drained({
  service,
  environment,
  details,
}: EventFacts & { type: "drain.started" | "drain.ended" }): string {
  const where = environment === undefined ? `service \`${service}\`` : `\`${environment}\``;
  const { digest, before_revision: revision, before } = details;
  if (digest !== undefined) return `${where} of ${shortImage(digest)}`;
  if (revision !== undefined) return `${where} of what came before revision ${revision}`;
  return before === undefined ? where : `${where} of what was started before ${before}`;
}

/** A tag as it is, a digest cut to what people can compare. */
function shortImage(image: string): string {
  if (!image.startsWith("sha256:")) return image;
  const short = shortDigest(image);
  return short === image ? image : `${short}…`;
}

function listed(details: EventDetails): string {
  return Object.keys(details)
    .map((field) => `\`${field}\``)
    .join(", ");
}

/** 50 bits of milliseconds: enough until the year 37,000. */
const timeLetters = 10;
/** How many random bytes an event's id takes. Each becomes a letter. */
export const eventIdRandomBytes = 10;
/** What `eventId` makes. */
export const eventIdPattern = /^[0-9abcdefghjkmnpqrstvwxyz]{20}$/;

/**
 * An id that sorts by its time; those of one millisecond are in no order.
 * @param now milliseconds since the epoch
 * @param random at least `eventIdRandomBytes` bytes
 */
export function eventId(now: number, random: Uint8Array): string {
  let time = "";
  for (let rest = now, i = 0; i < timeLetters; i++) {
    time = idAlphabet.charAt(rest % idAlphabet.length) + time;
    rest = Math.floor(rest / idAlphabet.length);
  }
  return time + encodeRandom(random.subarray(0, eventIdRandomBytes));
}

/** Which events somebody wants to see, and may. */
export interface EventFilter {
  type?: EventType | undefined;
  service?: string | undefined;
  environment?: string | undefined;
  cluster?: string | undefined;
  /** The environments that the reader is narrowed to; what concerns and names no environment is shown. */
  allowedEnvironments?: readonly string[] | undefined;
}

/**
 * Whether an event is one of those: every field that the filter names is equal.
 * @example matchesEvent({ service: "hello" }, { type: "cluster.lost", cluster: "eu" }) // false
 */
export function matchesEvent(
  filter: EventFilter,
  event: {
    type: EventType;
    service?: string;
    environment?: string;
    cluster?: string;
    details?: Readonly<EventDetails>;
  },
): boolean {
  const named = event.environment ?? event.details?.default_environment;
  return (
    (filter.type === undefined || event.type === filter.type) &&
    (filter.service === undefined || event.service === filter.service) &&
    (filter.environment === undefined || event.environment === filter.environment) &&
    (filter.cluster === undefined || event.cluster === filter.cluster) &&
    (typeof named !== "string" || reaches(filter.allowedEnvironments, named))
  );
}
