import { second } from "./units.ts";

const tib = 1024 ** 4;

/**
 * How much of each thing an account may store, unless its deployment sets another limit. One that is reached refuses what
 * would add to it, and ends nothing.
 */
export const defaultQuotas = {
  /** With ten environments each, one more service is as good as a new account. */
  services: 1_000,
  /** Of all services. Each change of a pin or tag looks at all of its own service. */
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
