import { z } from "zod";
import { ok, type Result } from "../../../domain/result.ts";
import type { Idempotency } from "../../../objects/contract.ts";
import { hashSecret } from "../../../protocol/tokens/access-token.ts";
import { parseInput } from "../../input.ts";
import type { PageCall } from "./page-call.ts";

/** Names one showing of a form that must not act twice: `readAttempt` reads it. */
export function AttemptField() {
  return <input type="hidden" name="attempt" value={crypto.randomUUID()} />;
}

const attemptField = z.object({ attempt: z.uuid() });

/**
 * Under which idempotency key a form acts: sent twice as it was, it acts once and is answered as before; changed and
 * sent again, it is another request. `bad_request` for fields without an attempt.
 * @param params what the form requests, after it was parsed
 */
export async function readAttempt(
  { path, visitor }: Pick<PageCall, "path" | "visitor">,
  fields: Record<string, string>,
  params: unknown,
): Promise<Result<Idempotency>> {
  const read = parseInput(attemptField, fields, "bad form");
  if (!read.ok) return read;
  const requestHash = await hashSecret(JSON.stringify([path, visitor.identity.tokenId, params]));
  return ok({ key: `form ${read.value.attempt} ${requestHash}`, requestHash });
}
