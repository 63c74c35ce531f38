/**
 * The secret of one connection: Slipway's caller gets it beside the connection token, and the backend as
 * `x-verified-secret`. Nobody finds it by the token alone, which is part of a URL.
 * @param spawnSecret the `secret_token` of the backend's `backend.spawn`, not empty
 * @param tokenId the `jti` of the connection token
 * @returns HMAC-SHA-256 of the id, with the secret as its key, both in UTF-8: in hexadecimal, in lower case
 */
export async function connectionSecret(spawnSecret: string, tokenId: string): Promise<string> {
  const utf8 = new TextEncoder();
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", utf8.encode(spawnSecret), algorithm, false, ["sign"]);
  const mac = new Uint8Array(await crypto.subtle.sign("HMAC", key, utf8.encode(tokenId)));
  return Array.from(mac, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
