import { bytesToHex } from "@noble/hashes/utils.js";
import { digestPattern } from "../../domain/pins/images.ts";

/** The registered algorithms (OCI Image 1.1, "Content descriptors", Digests). */
export const digestAlgorithms = ["sha256", "sha512"] as const;
export type DigestAlgorithm = (typeof digestAlgorithms)[number];

const subtleNames = { sha256: "SHA-256", sha512: "SHA-512" } as const;

/** The name that Web Crypto has for an algorithm. */
export function webCryptoName(algorithm: DigestAlgorithm): (typeof subtleNames)[DigestAlgorithm] {
  return subtleNames[algorithm];
}

/** The algorithm of a digest; null where the text is no digest, or of an algorithm that is not supported. */
export function algorithmOf(digest: string): DigestAlgorithm | null {
  if (!digestPattern.test(digest)) return null;
  return digest.startsWith("sha512:") ? "sha512" : "sha256";
}

/** @example formatDigest("sha256", hash) // "sha256:e3b0c442…" */
export function formatDigest(algorithm: DigestAlgorithm, hash: ArrayBuffer): string {
  return `${algorithm}:${bytesToHex(new Uint8Array(hash))}`;
}

/** The digest of bytes that are in memory. */
export async function digestOf(algorithm: DigestAlgorithm, bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return formatDigest(algorithm, await crypto.subtle.digest(webCryptoName(algorithm), bytes));
}
