import { type Failure, fail } from "../domain/result.ts";
import { budgetSpent, unreached } from "../objects/failures/unreached.ts";

/**
 * What a request is answered whose call of an object failed, the same at each front door: an object that is busy or
 * restarting may be called again; where the request has spent its calls, repeating it does not help.
 * @returns null for anything else, which is a bug
 */
export function callFailure(error: unknown): Failure | null {
  if (unreached(error)) {
    return fail("unavailable", "the service is busy or restarting; try again", { retryAfterSeconds: 1 })
      .error;
  }
  if (budgetSpent(error)) {
    return fail("unavailable", "this needs more calls than one request may make; ask for less at once").error;
  }
  return null;
}
