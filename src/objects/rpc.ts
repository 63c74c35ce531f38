import type { Result } from "../domain/result.ts";

/**
 * A result as it may be handed on over RPC. What came over RPC itself holds on to its call until it is disposed of,
 * so that it must not be returned to another caller as it is.
 */
export function handedOn<T>(result: Result<T>): Result<T> {
  return result.ok ? { ok: true, value: result.value } : { ok: false, error: result.error };
}
