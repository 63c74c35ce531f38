import type { CryptoKey } from "jose";
import { z } from "zod";

/** A signing secret: `whsec_` and the base64 of 24 to 64 bytes (Standard Webhooks 1.0, "Signature scheme"). */
export const signingSecret = z.string().regex(/^whsec_[A-Za-z0-9+/]{32,88}={0,2}$/);

/** How far a webhook's timestamp may lie from the receiver's clock (Standard Webhooks: five minutes). */
export const signatureToleranceSeconds = 300;

/** The headers of a webhook, and of a request for a backend's output (Standard Webhooks 1.0, "Webhook headers"). */
export interface WebhookHeaders {
  /** The same in every attempt of one delivery. That of a GET is `signedGetId`. */
  "webhook-id": string;
  /** Of the attempt, in seconds since the epoch. */
  "webhook-timestamp": string;
  /** `v1,` and the base64 of a signature, once for each secret, separated by spaces. */
  "webhook-signature": string;
}

/** A new signing secret. @param random 32 random bytes */
export function formatSigningSecret(random: Uint8Array): string {
  return `whsec_${toBase64(random)}`;
}

/** Imports the key of a signing secret, for reuse. @param secret one that `signingSecret` accepts */
export function importSigningSecret(secret: string): Promise<CryptoKey> {
  const bytes = Uint8Array.from(atob(secret.slice("whsec_".length)), (char) => char.charCodeAt(0));
  return crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
}

/**
 * Signs a webhook: HMAC-SHA256 over `id.timestamp.body`, by each key, so that a receiver can change its secret. By Web
 * Crypto and not by `standardwebhooks`, whose HMAC in JavaScript takes two to four times as long, for every spawn.
 * @param timestampSeconds since the epoch
 * @param body the bytes that are sent, as text; empty for a GET
 */
export async function signWebhook(
  keys: readonly CryptoKey[],
  id: string,
  timestampSeconds: number,
  body: string,
): Promise<WebhookHeaders> {
  const content = new TextEncoder().encode(`${id}.${timestampSeconds}.${body}`);
  const signatures: string[] = [];
  for (const key of keys) {
    signatures.push(`v1,${toBase64(new Uint8Array(await crypto.subtle.sign("HMAC", key, content)))}`);
  }
  return {
    "webhook-id": id,
    "webhook-timestamp": String(timestampSeconds),
    "webhook-signature": signatures.join(" "),
  };
}

/**
 * The id of a signed GET. The signature of Standard Webhooks covers the id and the body, of which a GET has none: so the
 * id says what is requested, and the headers of one request open nothing else.
 * @param path below the webhook's URL, with a slash at its beginning
 * @param unique another one for each request
 * @example signedGetId("/backends/k3f9q7h3kq2m9/logs", "7c0e…") // "GET:/backends/k3f9q7h3kq2m9/logs:7c0e…"
 */
export function signedGetId(path: string, unique: string): string {
  return `GET:${path}:${unique}`;
}

/** The id that control planes up to 0.1.0 give, whatever the path. To be dropped with 0.3.0. */
const formerGetId = /^get_[0-9a-f-]{36}$/;

/** Whether the headers that are signed with an id are those of a GET of the path, as `signedGetId` has it. */
export function isSignedGetOf(path: string, id: string): boolean {
  return id.startsWith(signedGetId(path, "")) || formerGetId.test(id);
}

function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}
