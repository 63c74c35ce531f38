import { endedBackendsKeptMs } from "./backends.ts";
import { day, hour, second } from "./units.ts";

const tib = 1024 ** 4;

/**
 * How much of each thing an account may store, unless its deployment sets another limit. One that is reached refuses what
 * would add to it, and ends nothing.
 */
export const defaultQuotas = {
  /** With ten environments each, one more service is as good as a new account. */
  services: 1_000,
  /** Of all services. A service's own are in its memory. */
  environments: 10_000,
  /** Recorded or pushed with a tag, of all services: years of builds, of which each has an image or two. */
  images: 200_000,
  /** Of all services. */
  tags: 200_000,
  /** Notes in the histories of pins. A pin without one is never refused. */
  pin_notes: 100_000,
  /** Every service keeps the configuration of all of them. */
  clusters: 200,
  /** Access tokens, those among them that have expired and are listed; those of agents go with their clusters. */
  tokens: 10_000,
  /** Bytes in the registry that no tag keeps: pushes on their way, and what was pushed over. Many large images an hour. */
  untagged_bytes: 1 * tib,
} as const;
/** What may be set as a limit at most; numbers in JSON are exact up to here. */
export const quotaLimitMax = Number.MAX_SAFE_INTEGER;

/**
 * A push that was found to be within the quotas is recorded by then, or found so anew. Longer than `recoveryDelayMs`, so that
 * a push needs no alarm of its own for it.
 */
export const pushAdmittedMs = 12 * second;

/**
 * A deleted service is looked at this often until nothing of it lives. It is forgotten so long after that, when what is kept of
 * its last backends is gone too; until then its ids lead there, and its name keeps its code.
 */
export const deletedServicesSeenEveryMs = 1 * day;
export const deletedServicesKeptMs = endedBackendsKeptMs + 1 * day;
/** They are forgotten so many at a time: each is a few calls of other objects. */
export const deletedServicesForgottenAtOnce = 50;
/** With more of them no service of a new name is created: each takes room of objects of its own. */
export const deletedServicesMax = 10_000;
/** For how long the edge may find a service by a code that was freed since, and may have become another's. */
export const serviceCodesCachedMs = 1 * hour;
