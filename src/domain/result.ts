import type { ErrorCode } from "./errors.ts";

/**
 * An expected failure, as plain data: it crosses RPC boundaries, where classes do not survive.
 * `details` are machine-readable extras that the error envelope carries beside the message.
 */
export interface Failure {
  code: ErrorCode;
  message: string;
  details?: Record<string, string | number | boolean | string[]>;
  /** How long the caller should wait before a retry can succeed; becomes `Retry-After`. */
  retryAfterSeconds?: number;
}

export type Result<T> = { ok: true; value: T } | { ok: false; error: Failure };

export function ok<T>(value: T): { ok: true; value: T } {
  return { ok: true, value };
}

export function fail(
  code: ErrorCode,
  message: string,
  extra: Pick<Failure, "details" | "retryAfterSeconds"> = {},
): { ok: false; error: Failure } {
  return { ok: false, error: { code, message, ...extra } };
}
