import { exportJWK, generateKeyPair } from "jose";
import { type SigningKeys, signingKeys } from "./connection-token.ts";

/** A new Ed25519 key pair in the form of the secret `SIGNING_KEYS`. */
export async function makeSigningKeys(): Promise<SigningKeys> {
  const { privateKey } = await generateKeyPair("EdDSA", { crv: "Ed25519", extractable: true });
  return signingKeys.parse([{ ...(await exportJWK(privateKey)), kid: crypto.randomUUID() }]);
}
