/*
 * Which failures of a call may be retried. The marks are those that Cloudflare documents for calls of Durable Objects
 * (developers.cloudflare.com/durable-objects/best-practices/error-handling): own properties, which survive RPC. What an
 * object's own code threw carries `remote` alone, and says nothing of the sort.
 */

/** An object that is overloaded is retried all the same, since none of our retries comes at once. */
const platformMarks = ["retryable", "overloaded", "durableObjectReset"];

/** What the runtime says where a connection breaks off; an error that was copied on its way has lost its mark. */
const connectionLost = "Network connection lost.";

/** The name of an error of `inTime`, and of `AbortSignal.timeout` (DOM, "AbortSignal"). */
export const timeoutErrorName = "TimeoutError";

/**
 * Whether an error says that what was called could not be reached, did not answer in time, or had no room to write: it is
 * overloaded, moved or restarted, its storage is full, or the network failed. Then the same call may succeed later. Any
 * other error is a bug until it is known to be something else.
 * @example unreached(Object.assign(new Error("restarting"), { retryable: true })) // true
 * @example unreached(new TypeError("undefined is not a function")) // false
 */
export function unreached(error: unknown): boolean {
  if (typeof error !== "object" || error === null) return false;
  if (platformMarks.some((mark) => Reflect.get(error, mark) === true)) return true;
  if ("name" in error && error.name === timeoutErrorName) return true;
  return storageFull(error) || ("message" in error && error.message === connectionLost);
}

/**
 * What SQLite says, with the name of the error that the runtime adds (sqlite.org/rescode.html#full), and how our store
 * on an S3 server begins to say that it answered "Insufficient Storage" (RFC 4918 11.5), as MinIO does.
 */
const fullMessage = /^(database or disk is full: SQLITE_FULL|S3 answered 507)\b/;

/**
 * Whether an error says that there is no room to write: the disk of a control plane on one machine is full, an object
 * has as much as the platform lets it have, or the blob store has no more. The object is reset and keeps what it had committed; it can be read, and
 * writes again once there is room.
 * @example storageFull(new Error("database or disk is full: SQLITE_FULL")) // true
 */
export function storageFull(error: unknown): boolean {
  return hasMessage(error, fullMessage);
}

/** What the runtime says instead of an error of its own, which it writes to its log. */
const internalMessage = /^internal error; reference = /;

/**
 * Whether the runtime failed, and keeps to itself why. A disk that is full shows itself so where an object's file cannot
 * be made, or an alarm cannot be set; whether it is that, only another write can tell.
 * @example runtimeFailed(new Error("internal error; reference = c5sbhfk8")) // true
 */
export function runtimeFailed(error: unknown): boolean {
  return hasMessage(error, internalMessage);
}

function hasMessage(error: unknown, pattern: RegExp): boolean {
  return error instanceof Error && pattern.test(error.message);
}

/** How the runtime begins to say that one invocation has made as many calls as it may. */
const budgetMessage = /^Too many (subrequests|API requests)\b/;

/**
 * Whether an error says that this invocation may make no more calls: neither has an object restarted, nor does it help to
 * try again. What goes on for long ends, and goes on in another invocation.
 * @example budgetSpent(new Error("Too many subrequests by single Worker invocation.")) // true
 */
export function budgetSpent(error: unknown): boolean {
  return hasMessage(error, budgetMessage);
}
