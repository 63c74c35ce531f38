import { type ApiClient, createClient } from "../cli/client.ts";
import type { Outcome } from "../cli/outcome.ts";

/** A client of the deployment's own API v3, below `/v3`. */
export function apiClient(apiUrl: string, secret: string, below: readonly string[] = []): ApiClient {
  return createClient({ base: apiUrl, root: ["v3", ...below], secret });
}

/** The value of an outcome. Throws, with what was attempted, where it is a failure. */
export function expectDone<T>(outcome: Outcome<T>, attempted: string): T {
  if (outcome.ok) return outcome.value;
  const { code, message } = outcome.failure;
  throw new Error(`${attempted}: ${message}${code === undefined ? "" : ` (${code})`}`);
}

/** The value of an outcome, or null where it failed with `code`. Throws for every other failure. */
export function unlessCode<T>(outcome: Outcome<T>, code: string, attempted: string): T | null {
  return !outcome.ok && outcome.failure.code === code ? null : expectDone(outcome, attempted);
}
