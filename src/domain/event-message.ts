import type { EventDetails, EventFacts } from "./events.ts";
import { listOf } from "./names.ts";
import { shortDigest } from "./pins/images.ts";

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
      const { kind, image, digest, from } = facts.details;
      if (kind === "push") {
        return `moved \`${facts.environment}\` to ${shortImage(digest)} by a push of \`${image}\``;
      }
      if (kind === "promote") {
        return `promoted ${shortImage(digest)} from \`${from}\` to \`${facts.environment}\``;
      }
      if (kind === "rollback") return `rolled \`${facts.environment}\` back to ${shortImage(digest)}`;
      if (kind === "follow") return `had \`${facts.environment}\` follow \`${image}\` again`;
      const resolved = image === digest ? "" : ` (${shortImage(digest)})`;
      return `pinned \`${facts.environment}\` to \`${shortImage(image)}\`${resolved}`;
    }
    case "environment.stopped":
      return `stopped environment \`${facts.environment}\`: ${facts.details.reason}`;
    case "environment.unstopped":
      return `took the stop of environment \`${facts.environment}\` back`;
    case "candidate.added": {
      const { tag, digest, reason } = facts.details;
      return `held ${shortImage(digest)}, pushed as \`${tag}\`, back from \`${facts.environment}\` (${reason})`;
    }
    case "rejection.lifted":
      return `lifted the rejection of ${shortImage(facts.details.digest)} in \`${facts.environment}\`: ${facts.details.note}`;
    case "change.requested":
      return `requested a change of \`${facts.environment}\` (${facts.details.kind}), which waits for approval`;
    case "change.approved":
      return `approved of a change of \`${facts.environment}\``;
    case "change.ended": {
      const deed = facts.details.state === "rejected" ? "rejected" : "withdrew";
      return `${deed} a change of \`${facts.environment}\``;
    }
    case "check.posted": {
      const { check, state, digest } = facts.details;
      return `posted check \`${check}\` of ${shortImage(digest)}: ${state}`;
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
    case "token.created": {
      const { token_name: name, role, rights = [] } = facts.details;
      const words = rights.length === 1 ? "the right" : "the rights";
      const beside = rights.length === 0 ? "" : ` and ${words} ${listOf(rights)}`;
      return `created token \`${name}\` with the role \`${role}\`${beside}`;
    }
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
