import type { ErrorCode } from "./errors.ts";

type Scalar = string | number | boolean;

/** What programs may act on, as JSON carries it: two levels deep, since types of what crosses RPC may not refer to themselves. */
export type Detail = Scalar | string[] | Record<string, Scalar | string[] | null>[];

/**
 * An expected failure, as plain data: it crosses RPC boundaries, where classes do not survive.
 * `details` are machine-readable extras that the error envelope carries beside the message.
 */
export interface Failure {
  code: ErrorCode;
  message: string;
  details?: Record<string, Detail>;
  /** How long the caller should wait before a retry can succeed; becomes `Retry-After`. */
  retryAfterSeconds?: number;
}

/** What an operation gives, or why it failed. Failures that are expected are values; a throw is a bug, or the network's. */
export type Result<T> = { ok: true; value: T } | { ok: false; error: Failure };

/**
 * A success.
 * @example ok(3) // { ok: true, value: 3 }
 */
export function ok<T>(value: T): { ok: true; value: T } {
  return { ok: true, value };
}

/**
 * A failure.
 * @param message one sentence for people, which says what is wrong and what there is instead
 * @param extra what programs may act on: details, and when a retry can succeed
 * @example fail("key_terminating", "backend `k3f9q…` holds the key and is still ending", { retryAfterSeconds: 5 })
 */
export function fail(
  code: ErrorCode,
  message: string,
  extra: Pick<Failure, "details" | "retryAfterSeconds"> = {},
): { ok: false; error: Failure } {
  return { ok: false, error: { code, message, ...extra } };
}
