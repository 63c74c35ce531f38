import { bytesToHex } from "@noble/hashes/utils.js";
import { isName } from "../../domain/names.ts";

/**
 * The parts of `<account>_<id>.<secret>`. Jamsocket's clients want a period in it, and its GitHub action splits it at
 * the first one.
 */
export interface AccessToken {
  account: string;
  /** 12 lower-case letters and digits; no secret. */
  id: string;
  /** 32 bytes in base64url. */
  secret: string;
}

const tokenIdPattern = /^[0-9a-z]{12}$/;
const secretPattern = /^[A-Za-z0-9_-]{43}$/;

/** The parts of an access token, or null where the text cannot be one. Whether it is valid is not checked. */
export function parseAccessToken(text: string): AccessToken | null {
  const underscore = text.indexOf("_");
  const period = text.indexOf(".", underscore);
  // Without an underscore the period is a part of the account, which is then no name, or nothing is left for the secret.
  if (period < 0) return null;
  const account = text.slice(0, underscore);
  const id = text.slice(underscore + 1, period);
  const secret = text.slice(period + 1);
  if (!isName(account) || !tokenIdPattern.test(id) || !secretPattern.test(secret)) return null;
  return { account, id, secret };
}

/** @example formatAccessToken({ account: "acme", id: "3f9q7h3kq2m9", secret: "…" }) // "acme_3f9q7h3kq2m9.…" */
export function formatAccessToken({ account, id, secret }: AccessToken): string {
  return `${account}_${id}.${secret}`;
}

/** SHA-256 of a secret in hexadecimal: the only form in which it is stored. */
export async function hashSecret(secret: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(secret));
  return bytesToHex(new Uint8Array(digest));
}

/** Whether two texts are equal, in a time that depends on their lengths only: for secrets that a caller guesses at. */
export function constantTimeEqual(a: string, b: string): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i % Math.max(b.length, 1));
  return difference === 0;
}
