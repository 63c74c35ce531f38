import { reaches } from "./credentials/access.ts";
import { encodeRandom, idAlphabet } from "./ids.ts";
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
  /** It was pinned, promoted or rolled back, or a push moved it: a revision (`details.kind`). */
  "environment.pinned",
  /** Nothing changes it until that is taken back. */
  "environment.stopped",
  "environment.unstopped",
  /** A push would have moved an environment, and was held back (`details.reason`). */
  "candidate.added",
  /** A digest that an environment was rolled back from is as any other again. */
  "rejection.lifted",
  /** A change waits for approval. */
  "change.requested",
  "change.approved",
  /** It was rejected or withdrawn; one that is carried out has the event of what it does. */
  "change.ended",
  /** What a check outside says of an image. */
  "check.posted",
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
    case "candidate.added":
    case "check.posted":
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

/** The names of those who approved of a change, where it needed that. */
type Approved = { approved_by?: string[] };

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
  "environment.deleted": OfEnvironment & { details?: Approved };
  "environment.pinned": OfEnvironment & {
    details: {
      kind: Exclude<RevisionKind, "create">;
      image: string;
      digest: string;
      revision: number;
      note?: string;
      /** Of a promotion: the environment that it came from, and the tag that that one follows. */
      from?: string;
      tag?: string;
      /** Of a rollback: the tag that was followed until then. */
      unfollowed?: string;
      /** Codes of what an admin's force has overridden. */
      forced?: string[];
    } & Approved;
  };
  "environment.stopped": OfEnvironment & { details: { reason: string } };
  "environment.unstopped": OfEnvironment & { details?: Approved };
  "candidate.added": OfEnvironment & { details: { tag: string; digest: string; reason: string } };
  "rejection.lifted": OfEnvironment & { details: { digest: string; note: string } };
  "change.requested": OfEnvironment & { details: { change: string; kind: string; approvals_needed: number } };
  "change.approved": OfEnvironment & { details: { change: string; approvals: number } };
  "change.ended": OfEnvironment & {
    details: { change: string; state: "rejected" | "withdrawn"; note?: string };
  };
  "check.posted": OfService & { details: { digest: string; check: string; state: string } };
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
  /** With its rights, where it has any. */
  "token.created": { details: { token_id: string; token_name: string; role: string; rights?: string[] } };
  "token.revoked": { details: { token_id: string; token_name: string } };
  /** Each quota with its new limit; null: the default. */
  "account.quotas_changed": { details: Record<string, number | null> };
  "session.created": { details?: EventDetails };
  "session.revoked": { details?: EventDetails };
}

/** What happened and to what, without who and when. */
export type EventFacts = { [Type in EventType]: { type: Type } & FactsOf[Type] }[EventType];

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
