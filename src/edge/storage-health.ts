import {
  storageCheckedAgainMs,
  storageCheckedEveryMs,
  storageCheckTimeoutMs,
  storageFullRetrySeconds,
} from "../domain/limits.ts";
import { type Failure, fail } from "../domain/result.ts";
import type { Env } from "../objects/env.ts";
import { inTime } from "../objects/failures/in-time.ts";
import { runtimeFailed, storageFull, unreached } from "../objects/failures/unreached.ts";
import { storageCheckStub } from "../objects/stubs.ts";

/** What the last check found, of the isolate: anybody may ask, and a check is a row written. */
let last: { startedAt: number; failure: Failure | null } | null = null;

/**
 * Why objects cannot write; null where they can. It is what the last check found, and a new one where that is old. A check
 * writes in an object of its own: one account whose storage is full is no reason to hold all others for ill.
 */
export async function storageFailure(env: Pick<Env, "DIRECTORY">): Promise<Failure | null> {
  const now = Date.now();
  const freshMs = last?.failure ? storageCheckedAgainMs : storageCheckedEveryMs;
  if (last !== null && now - last.startedAt < freshMs) return last.failure;
  // Before the write: those who ask meanwhile are answered as before, and begin no other.
  last = { startedAt: now, failure: last?.failure ?? null };
  return checkStorage(env);
}

/** Checks now whether objects can write: after a failure that may come of that. @returns as `storageFailure` */
export async function checkStorage(env: Pick<Env, "DIRECTORY">): Promise<Failure | null> {
  const startedAt = Date.now();
  const failure = await failureOfWrite(env);
  last = { startedAt, failure };
  return failure;
}

async function failureOfWrite(env: Pick<Env, "DIRECTORY">): Promise<Failure | null> {
  try {
    await inTime(storageCheckStub(env).checkStorage(), storageCheckTimeoutMs);
    return null;
  } catch (error) {
    // The runtime says no more than that it has failed where the file of an object cannot be opened for want of room.
    if (storageFull(error) || runtimeFailed(error)) return cannotWrite();
    if (unreached(error)) return busy();
    throw error;
  }
}

export function cannotWrite(): Failure {
  return fail("storage_full", "Slipway's storage is full: nothing can be changed until there is room again", {
    retryAfterSeconds: storageFullRetrySeconds,
  }).error;
}

export function busy(): Failure {
  return fail("unavailable", "the service is busy or restarting; try again", { retryAfterSeconds: 1 }).error;
}
