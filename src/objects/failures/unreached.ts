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
 * Whether an error says that what was called could not be reached, or did not answer in time: it is overloaded, moved or
 * restarted, or the network failed. Then the same call may succeed later. Any other error is a bug until it is
 * known to be something else.
 * @example unreached(Object.assign(new Error("restarting"), { retryable: true })) // true
 * @example unreached(new TypeError("undefined is not a function")) // false
 */
export function unreached(error: unknown): boolean {
  if (typeof error !== "object" || error === null) return false;
  if (platformMarks.some((mark) => Reflect.get(error, mark) === true)) return true;
  if ("name" in error && error.name === timeoutErrorName) return true;
  return "message" in error && error.message === connectionLost;
}

/** How the runtime begins to say that one invocation has made as many calls as it may. */
const budgetMessage = /^Too many (subrequests|API requests)\b/;

/**
 * Whether an error says that this invocation may make no more calls: neither has an object restarted, nor does it help to
 * try again. What goes on for long ends, and goes on in another invocation.
 * @example budgetSpent(new Error("Too many subrequests by single Worker invocation.")) // true
 */
export function budgetSpent(error: unknown): boolean {
  return error instanceof Error && budgetMessage.test(error.message);
}
