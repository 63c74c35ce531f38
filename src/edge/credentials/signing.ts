import type { Env } from "../../objects/env.ts";
import {
  importSigningKey,
  type Jwks,
  publicJwks,
  type Signer,
  signingKeys,
} from "../../protocol/tokens/connection-token.ts";

interface Signing {
  /** Signs connection tokens. */
  signer: Promise<Signer>;
  jwks: Jwks;
  /** HMAC key for the secrets that a replay must derive again. */
  derivation: Promise<CryptoKey>;
}

let current: { text: string; signing: Signing } | undefined;

/** The deployment's keys, parsed and imported once per isolate. */
export function signingOf(env: Pick<Env, "SIGNING_KEYS">): Signing {
  if (current?.text !== env.SIGNING_KEYS) {
    current = { text: env.SIGNING_KEYS, signing: read(env.SIGNING_KEYS) };
  }
  return current.signing;
}

function read(text: string): Signing {
  const keys = signingKeys.parse(JSON.parse(text));
  const secret = new TextEncoder().encode(keys[0]?.d);
  return {
    signer: importSigningKey(keys),
    jwks: publicJwks(keys),
    derivation: crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]),
  };
}
