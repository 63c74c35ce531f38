import { deletedServicesKeptMs, deletedServicesMax, deletedServicesSeenEveryMs } from "./limits.ts";
import { fail, ok, type Result } from "./result.ts";

/** What is left of a service that was deleted. Times in milliseconds since the epoch. */
export interface DeletedService {
  /** Whether none of its backends, webhooks and events is left to end, to send or to record. */
  isEmpty: boolean;
  /** Since when it was seen to be so; null: it was not. */
  emptySince: number | null;
}

/**
 * Whether a deleted service may be forgotten, with its code: once nothing of it lives, and what has ended is not kept any
 * more, so that no id and no URL with the code is of use to anybody.
 * @returns null where it may; else since when it is empty, and when to look again
 * @example judgeDeletedService({ isEmpty: true, emptySince: now - deletedServicesKeptMs }, now) // null
 */
export function judgeDeletedService(
  { isEmpty, emptySince }: DeletedService,
  now: number,
): { emptySince: number | null; lookAt: number } | null {
  if (!isEmpty) return { emptySince: null, lookAt: now + deletedServicesSeenEveryMs };
  const since = emptySince ?? now;
  const lookAt = since + deletedServicesKeptMs;
  return lookAt <= now ? null : { emptySince: since, lookAt };
}

/**
 * Whether a service of a new name may be created, beside those that were deleted and are not forgotten.
 * @returns `quota_exceeded` where there are too many: somebody creates and deletes them in a loop
 */
export function checkDeletedServices(deleted: number): Result<null> {
  if (deleted < deletedServicesMax) return ok(null);
  return fail(
    "quota_exceeded",
    `${deleted} services of this account were deleted lately, and are forgotten a month after their last backend's end; until then use the name of one of them`,
    { details: { quota: "services", used: deleted, limit: deletedServicesMax } },
  );
}
