import { defaultQuotas } from "./limits.ts";
import { fail, ok, type Result } from "./result.ts";

/** What an account may store a limited amount of. */
export type QuotaName = keyof typeof defaultQuotas;

/** A value for each quota, in the order in which they are shown. */
export function eachQuota<T>(of: (name: QuotaName) => T): Record<QuotaName, T> {
  return {
    services: of("services"),
    environments: of("environments"),
    images: of("images"),
    tags: of("tags"),
    pin_notes: of("pin_notes"),
    clusters: of("clusters"),
    tokens: of("tokens"),
    untagged_bytes: of("untagged_bytes"),
  };
}

/** What services store: each counts its own, and the account adds them up. */
export const serviceQuotas = ["environments", "images", "tags", "pin_notes"] as const;
/** One of them. */
export type ServiceQuota = (typeof serviceQuotas)[number];

/** How much a service stores of each. */
export type Holdings = Readonly<Record<ServiceQuota, number>>;

/** Of a service without anything. */
export const nothingHeld: Holdings = { environments: 0, images: 0, tags: 0, pin_notes: 0 };

/** How much there is, and how much there may be. */
export interface Quota {
  used: number;
  limit: number;
}

/** @param limit that was set for the account; null: none was */
export function quotaLimit(name: QuotaName, limit: number | null): number {
  return limit ?? defaultQuotas[name];
}

/**
 * Whether more may be stored. What adds nothing, such as a repetition, never depends on a quota: a limit may be below
 * what is used.
 * @param more 0 or less where nothing is added
 * @returns `quota_exceeded`, with the quota, what is used of it, and its limit
 * @example checkQuota("tokens", { used: 9, limit: 10 }, 1) // ok
 * @example checkQuota("tokens", { used: 10, limit: 10 }, 1) // quota_exceeded
 */
export function checkQuota(name: QuotaName, { used, limit }: Quota, more: number): Result<null> {
  if (more <= 0 || used + more <= limit) return ok(null);
  return fail(
    "quota_exceeded",
    `the account's quota \`${name}\` does not allow ${more} more: ${used} of ${limit} are used`,
    { details: { quota: name, used, limit } },
  );
}

/**
 * Whether a service may hold this much, where the account's quotas were used as they are with `before`.
 * @returns `quota_exceeded` for the first quota that does not allow it
 */
export function checkHoldings(
  before: Holdings,
  after: Holdings,
  quotaOf: (quota: ServiceQuota) => Quota,
): Result<null> {
  for (const quota of serviceQuotas) {
    const checked = checkQuota(quota, quotaOf(quota), after[quota] - before[quota]);
    if (!checked.ok) return checked;
  }
  return ok(null);
}

/** What `after` has more than `before`. */
export function growth(before: Holdings, after: Holdings): Holdings {
  return eachHolding((quota) => Math.max(0, after[quota] - before[quota]));
}

/** Both together. */
export function sumOf(a: Holdings, b: Holdings): Holdings {
  return eachHolding((quota) => a[quota] + b[quota]);
}

/** The larger of both, of each. */
export function mostOf(a: Holdings, b: Holdings): Holdings {
  return eachHolding((quota) => Math.max(a[quota], b[quota]));
}

/** Whether there is more of anything in `a` than in `b`. */
export function exceeds(a: Holdings, b: Holdings): boolean {
  return serviceQuotas.some((quota) => a[quota] > b[quota]);
}

/** Holdings, made of a count for each. */
export function eachHolding(count: (quota: ServiceQuota) => number): Holdings {
  return {
    environments: count("environments"),
    images: count("images"),
    tags: count("tags"),
    pin_notes: count("pin_notes"),
  };
}
