import { type Failure, fail } from "../../domain/result.ts";

/** Why a request is not admitted. */
export type RefusalReason =
  | "no_credential"
  /** Malformed, unknown, revoked or expired: the answer does not say which. */
  | "bad_credential"
  /** The target does not exist, or is another account's (invariant 8). */
  | "not_found"
  /** The holder's role or scope is too small. */
  | "forbidden"
  /** The holder may do it, but the registry token was not granted it. */
  | "not_granted"
  /** It cannot be decided now; a retry may succeed. */
  | "undecided";

/** A failure that says why, so that each front door can answer in its own words. */
export interface Refusal extends Failure {
  reason: RefusalReason;
}

export type Decision<T> = { ok: true; value: T } | { ok: false; error: Refusal };

export function refuse(reason: RefusalReason, failure: Failure): { ok: false; error: Refusal } {
  return { ok: false, error: { ...failure, reason } };
}

export function noCredential() {
  const { error } = fail("unauthorized", "this needs a token: send `Authorization: Bearer <token>`");
  return refuse("no_credential", error);
}

export function badCredential() {
  const { error } = fail("unauthorized", "the token is malformed, unknown, revoked or expired");
  return refuse("bad_credential", error);
}
