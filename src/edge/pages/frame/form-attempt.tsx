import { z } from "zod";
import { ok, type Result } from "../../../domain/result.ts";
import type { Idempotency } from "../../../objects/contract.ts";
import { hashSecret } from "../../../protocol/tokens/access-token.ts";
import { parseInput } from "../../input.ts";
import type { PageCall } from "./page-call.ts";

/** A hidden field with an id for each rendering of a form that must not act twice; `readAttempt` reads it. */
export function AttemptField() {
  return <input type="hidden" name="attempt" value={crypto.randomUUID()} />;
}

const attemptField = z.object({ attempt: z.uuid() });

/**
 * The idempotency key of a submitted form: submitted twice with the same params, it acts once and is answered as
 * before; with others, it is another request. `bad_request` for fields without an attempt.
 * @param params the form's parsed params
 */
export async function readAttempt(
  { path, visitor }: Pick<PageCall, "path" | "visitor">,
  fields: Record<string, string>,
  params: unknown,
): Promise<Result<Idempotency>> {
  const read = parseInput(attemptField, fields, "bad form");
  if (!read.ok) return read;
  const requestHash = await hashSecret(JSON.stringify([path, params]));
  const principal = visitor.identity.tokenId;
  return ok({ principal, key: `form ${read.value.attempt} ${requestHash}`, requestHash });
}
