import type { Idempotency, NewSecret } from "../../objects/contract.ts";
import type { Env } from "../../objects/env.ts";
import { hashSecret } from "../../protocol/tokens/access-token.ts";
import { formatSigningSecret } from "../../protocol/webhooks/signature.ts";
import { signingOf } from "./signing.ts";

/**
 * The source of a request's new secrets: 32 bytes for each purpose. With an idempotency key they are derived from it,
 * its principal and the request, so that a replay returns the same secret although only its hash is stored; without one they
 * are random.
 */
export type SecretSource = (purpose: SecretPurpose) => Promise<Uint8Array>;

type SecretPurpose = "access token" | "agent token" | "agent token id" | "signing secret";

export function secretSource(
  env: Pick<Env, "SIGNING_KEYS">,
  account: string,
  idempotency: Idempotency | undefined,
): SecretSource {
  if (!idempotency) return async () => crypto.getRandomValues(new Uint8Array(32));
  return async (purpose) => {
    const { principal, key: name, requestHash } = idempotency;
    const input = JSON.stringify([purpose, account, principal, name, requestHash]);
    const key = await signingOf(env).derivation;
    return new Uint8Array(await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(input)));
  };
}

/**
 * A new access token. Its id is always random: a replay is answered with the stored id, and an idempotency key that is
 * used again after it has expired must not collide with its earlier id.
 */
export async function newAccessSecret(source: SecretSource): Promise<{ secret: string } & NewSecret> {
  const secret = toBase64Url(await source("access token"));
  const id = toTokenId(crypto.getRandomValues(new Uint8Array(32)));
  return { id, secret, secretHash: await hashSecret(secret) };
}

/** A new agent token. Its id comes from the source too: no answer has it, so that a replay could not restore it. */
export async function newAgentSecret(source: SecretSource): Promise<{ secret: string } & NewSecret> {
  const secret = toBase64Url(await source("agent token"));
  return { id: toTokenId(await source("agent token id")), secret, secretHash: await hashSecret(secret) };
}

export async function newSigningSecret(source: SecretSource): Promise<string> {
  return formatSigningSecret(await source("signing secret"));
}

const tokenIdCharacters = 12;

function toTokenId(bytes: Uint8Array): string {
  const number = bytes.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
  return (number % 36n ** BigInt(tokenIdCharacters)).toString(36).padStart(tokenIdCharacters, "0");
}

function toBase64Url(bytes: Uint8Array): string {
  const base64 = btoa(String.fromCharCode(...bytes));
  return base64.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
