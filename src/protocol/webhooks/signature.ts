import type { CryptoKey } from "jose";
import { z } from "zod";

/** Standard Webhooks 1.0: a symmetric secret is `whsec_` and the base64 of 24 to 64 bytes. */
export const signingSecret = z.string().regex(/^whsec_[A-Za-z0-9+/]{32,88}={0,2}$/);

/** How far a webhook's timestamp may lie from the receiver's clock (Standard Webhooks: five minutes). */
export const signatureToleranceSeconds = 300;

export interface WebhookHeaders {
  "webhook-id": string;
  "webhook-timestamp": string;
  "webhook-signature": string;
}

/** @param random 32 random bytes */
export function formatSigningSecret(random: Uint8Array): string {
  return `whsec_${toBase64(random)}`;
}

export function importSigningSecret(secret: string): Promise<CryptoKey> {
  const bytes = Uint8Array.from(atob(secret.slice("whsec_".length)), (char) => char.charCodeAt(0));
  return crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"]);
}

/** The three headers of a webhook: one signature for each key, so that a receiver can change its secret. */
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

function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}
