/**
 * Whether an exception of an object call says that the object could not take it now: it is overloaded, or was
 * moved or restarted. The platform marks such errors with own properties, which survive RPC.
 */
export function isUnavailable(error: unknown): boolean {
  if (typeof error !== "object" || error === null) return false;
  return (
    ("overloaded" in error && error.overloaded === true) || ("retryable" in error && error.retryable === true)
  );
}
