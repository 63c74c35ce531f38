import { idempotencyKeyMaxCharacters } from "../../domain/limits.ts";
import { fail, ok, type Result } from "../../domain/result.ts";
import type { Idempotency, Identity } from "../../objects/contract.ts";
import { hashSecret } from "../../protocol/tokens/access-token.ts";

/** A revision as an entity tag, or bare as people type it. Fifteen digits are below 2^53. */
export const revisionTag = /^(?:"([0-9]{1,15})"|([0-9]{1,15}))$/;

/** The revision that `If-Match` names; undefined without the header. */
export function parseIfMatch(header: string | null): Result<number | undefined> {
  if (header === null) return ok(undefined);
  const match = revisionTag.exec(header.trim());
  const digits = match?.[1] ?? match?.[2];
  if (digits !== undefined) return ok(Number(digits));
  return fail("bad_request", 'If-Match must be a revision in quotes, for example "7"');
}

/** A repeated header arrives as one value joined by commas, so a comma is refused. */
export const idempotencyKey = /^[!-+\--~]+$/;

/**
 * The idempotency key of a request; undefined without the header.
 * @param identity of the caller; undefined for the holder of the root token
 * @param body as received: the object refuses the same key with another body
 */
export async function readIdempotency(
  request: Request,
  identity: Pick<Identity, "tokenId"> | undefined,
  body: string,
): Promise<Result<Idempotency | undefined>> {
  const key = request.headers.get("idempotency-key");
  if (key === null) return ok(undefined);
  if (key.length > idempotencyKeyMaxCharacters || !idempotencyKey.test(key)) {
    return fail(
      "bad_request",
      `Idempotency-Key must be given once, as 1 to ${idempotencyKeyMaxCharacters} visible ASCII characters without commas`,
    );
  }
  const path = new URL(request.url).pathname;
  const principal = identity?.tokenId ?? "root";
  return ok({ principal, key, requestHash: await hashSecret(`${request.method} ${path}\n${body}`) });
}
