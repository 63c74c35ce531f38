import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";

/**
 * The secret of one connection: Slipway's caller gets it beside the connection token, and the backend as
 * `x-verified-secret`. Nobody finds it by the token alone, which is part of a URL.
 * @param spawnSecret the `secret_token` of the backend's `backend.spawn`, not empty
 * @param tokenId the `jti` of the connection token
 * @returns HMAC-SHA-256 of the id, with the secret as its key, both in UTF-8: in hexadecimal, in lower case
 */
export function connectionSecret(spawnSecret: string, tokenId: string): string {
  // Web Crypto would import the key anew for each connection, which takes longer than the HMAC of so few bytes.
  return bytesToHex(hmac(sha256, utf8ToBytes(spawnSecret), utf8ToBytes(tokenId)));
}
