import { z } from "zod";
import { fail, ok, type Result } from "../../domain/result.ts";
import type { Route } from "./route.ts";

/** The query field of plannable routes. */
export const planField = "plan";
export const planValue = z.literal("true");

/**
 * Whether a request only wants to know what it would do: with `?plan=true`. All else is `bad_request`, also on a route that does
 * not take it: what somebody means to be planned is never carried out.
 */
export function parsePlan({ plannable }: Pick<Route, "plannable">, { url }: Request): Result<boolean> {
  // Most requests have no query, and need no URL.
  const given = url.includes("?") ? new URL(url).searchParams.getAll(planField) : [];
  if (given.length === 0) return ok(false);
  if (!plannable) return fail("bad_request", "this route does not take `plan`; nothing was done");
  if (given.length === 1 && planValue.safeParse(given[0]).success) return ok(true);
  return fail("bad_request", "`plan` is given once, as `plan=true`, or left out; nothing was done");
}
