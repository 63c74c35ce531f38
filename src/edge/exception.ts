import { type Failure, fail } from "../domain/result.ts";
import type { Env } from "../objects/env.ts";
import { budgetSpent, runtimeFailed, storageFull, unreached } from "../objects/failures/unreached.ts";
import { busy, cannotWrite, checkStorage } from "./storage-health.ts";

/**
 * The failure that an exception stands for, the same at each front door; its own message is not shown.
 * @returns null where it is a bug until it is known to be something else: log it, and answer `internal_error`
 */
export async function failureOf(error: unknown, env: Pick<Env, "DIRECTORY">): Promise<Failure | null> {
  if (storageFull(error)) return cannotWrite();
  if (unreached(error)) return busy();
  if (budgetSpent(error)) {
    return fail("unavailable", "this needs more calls than one request may make; ask for less at once").error;
  }
  if (!runtimeFailed(error)) return null;
  console.error("the runtime failed", error);
  return (await checkStorage(env)) ?? busy();
}
