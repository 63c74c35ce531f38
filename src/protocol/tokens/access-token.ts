import { isName } from "../../domain/names.ts";

/** The parts of `<account>_<id>.<secret>`. */
export interface AccessToken {
  account: string;
  id: string;
  secret: string;
}

const tokenIdPattern = /^[0-9a-z]{12}$/;
const secretPattern = /^[A-Za-z0-9_-]{43}$/;

/** Reads an access token, or answers null where the text cannot be one. */
export function parseAccessToken(text: string): AccessToken | null {
  const underscore = text.indexOf("_");
  const period = text.indexOf(".", underscore);
  if (underscore < 0 || period < 0) return null;
  const account = text.slice(0, underscore);
  const id = text.slice(underscore + 1, period);
  const secret = text.slice(period + 1);
  if (!isName(account) || !tokenIdPattern.test(id) || !secretPattern.test(secret)) return null;
  return { account, id, secret };
}

export function formatAccessToken({ account, id, secret }: AccessToken): string {
  return `${account}_${id}.${secret}`;
}

/** SHA-256 of a secret in hexadecimal: the only form in which it is stored. */
export async function hashSecret(secret: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(secret));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Whether two texts are equal, in a time that depends on their lengths only. */
export function constantTimeEqual(a: string, b: string): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i % Math.max(b.length, 1));
  return difference === 0;
}
