import { fail, ok, type Result } from "../result.ts";

/** Where somebody wants to go back to. */
export type RollbackTo = number | "previous" | "verified";

/** A revision as a rollback looks at it. */
export interface PastRevision {
  revision: number;
  /** What it resolved to; null where it resolved to nothing. */
  digest: string | null;
}

/** All that the choice depends on. */
export interface RollbackSnapshot<Past extends PastRevision> {
  environment: string;
  /** What it resolves to now. */
  digest: string | null;
  /** The newest first. */
  revisions: Iterable<Past>;
  isRejected(digest: string): boolean;
  /** Whether the revision came in through gates, or enough sessions became ready on its digest here. */
  isVerified(revision: Past & { digest: string }): boolean;
}

/**
 * The revision that a rollback goes back to. `previous` and `verified` name neither what runs now nor what was rejected, so that
 * rolling back twice goes further back.
 * @returns `bad_request` where there is none, with what there is instead
 * @example chooseRollback("previous", { digest: "sha256:b…", revisions: [{ revision: 2, digest: "sha256:b…" }, { revision: 1, digest: "sha256:a…" }], … })
 *   // ok({ revision: 1, digest: "sha256:a…" })
 */
export function chooseRollback<Past extends PastRevision>(
  to: RollbackTo,
  { environment, digest: current, revisions, isRejected, isVerified }: RollbackSnapshot<Past>,
): Result<{ revision: number; digest: string }> {
  for (const past of revisions) {
    const { revision, digest } = past;
    if (typeof to === "number") {
      if (revision > to) continue;
      if (revision < to) break;
      if (digest !== null) return ok({ revision, digest });
      return fail("bad_request", `revision ${to} of environment \`${environment}\` resolved to nothing`);
    }
    if (digest === null || digest === current || isRejected(digest)) continue;
    if (to === "previous" || isVerified({ ...past, digest })) return ok({ revision, digest });
  }
  return nothingToReturnTo(to, environment);
}

function nothingToReturnTo(to: RollbackTo, environment: string) {
  if (typeof to === "number") {
    return fail("bad_request", `environment \`${environment}\` has no revision ${to} any more, or never had`);
  }
  const what = to === "previous" ? "earlier digest" : "earlier digest that was verified";
  return fail(
    "bad_request",
    `environment \`${environment}\` has no ${what} to go back to that was not rejected; its history shows the revisions that there are`,
  );
}
