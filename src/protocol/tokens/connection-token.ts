import { base64url, type CryptoKey, createLocalJWKSet, errors, jwtVerify } from "jose";
import { z } from "zod";
import { connectionTokenSeconds } from "../../domain/limits.ts";
import { jsonObject } from "../primitives.ts";

/** RFC 8037: Ed25519 as an octet key pair. */
const publicKey = z.object({
  kty: z.literal("OKP"),
  crv: z.literal("Ed25519"),
  x: z.string(),
  kid: z.string(),
});
const privateKey = publicKey.extend({ d: z.string() });

/** The secret `SIGNING_KEYS`: a JSON list of private keys. The first signs; all are published. */
export const signingKeys = z.array(privateKey).min(1);
export type SigningKeys = z.infer<typeof signingKeys>;

/** Their public halves, as `/.well-known/jwks.json` answers them (RFC 7517). */
export const jwks = z.object({
  keys: z.array(publicKey.extend({ alg: z.literal("EdDSA"), use: z.literal("sig") })),
});
export type Jwks = z.infer<typeof jwks>;

/** The claims of a connection token (RFC 7519). Times in seconds since the epoch. */
export const connectionClaims = z.object({
  /** The deployment's origin. */
  iss: z.string(),
  /** `<account>/<cluster>`. */
  aud: z.string(),
  /** The backend's id. */
  sub: z.string(),
  iat: z.int(),
  exp: z.int(),
  /** Another one for each connection. Tokens of control planes up to 0.1.0 have none. */
  jti: z.string().optional(),
  /** As the connect request had them. */
  user: z.string().optional(),
  auth: jsonObject.optional(),
});
export type ConnectionClaims = z.infer<typeof connectionClaims>;

/** Who may connect to what. */
export interface ConnectionGrant {
  issuer: string;
  account: string;
  cluster: string;
  backendId: string;
  /** When the connection was granted, in milliseconds since the epoch. Equal grants give equal tokens. */
  grantedAt: number;
  /** The token's id, from which the connection's secret is derived (`connectionSecret`). */
  tokenId?: string | undefined;
  user?: string | undefined;
  auth?: ConnectionClaims["auth"];
}

/** The public keys of `SIGNING_KEYS`, in its order. */
export function publicJwks(keys: SigningKeys): Jwks {
  return { keys: keys.map(({ kty, crv, x, kid }) => ({ kty, crv, x, kid, alg: "EdDSA", use: "sig" })) };
}

/** What signs tokens. */
export interface Signer {
  key: CryptoKey;
  kid: string;
  /** The header of a JWT that it signs, as it stands in one. */
  header: string;
}

/**
 * Imports the signing key, which is the first, for reuse.
 * @throws where the list is empty or the key is not of the form that `signingKeys` accepts
 */
export async function importSigningKey(keys: SigningKeys): Promise<Signer> {
  const [first] = keys;
  if (!first) throw new Error("SIGNING_KEYS is empty");
  const { kid, ...jwk } = first;
  const key = await crypto.subtle.importKey("jwk", jwk, "Ed25519", false, ["sign"]);
  return { key, kid, header: base64url.encode(JSON.stringify({ alg: "EdDSA", typ: "JWT", kid })) };
}

const utf8 = new TextEncoder();

/** A connection token: a JWT, EdDSA over Ed25519 (RFC 8037 3.1), good for one backend of one cluster for 24 hours. */
export async function signConnectionToken(signer: Signer, grant: ConnectionGrant): Promise<string> {
  const issuedAt = Math.floor(grant.grantedAt / 1000);
  const claims: ConnectionClaims = {
    ...(grant.tokenId === undefined ? {} : { jti: grant.tokenId }),
    ...(grant.user === undefined ? {} : { user: grant.user }),
    ...(grant.auth === undefined ? {} : { auth: grant.auth }),
    iss: grant.issuer,
    aud: `${grant.account}/${grant.cluster}`,
    sub: grant.backendId,
    iat: issuedAt,
    exp: issuedAt + connectionTokenSeconds,
  };
  // The compact form (RFC 7515 7.1) by hand: jose builds and checks header and claims anew for each token.
  const signed = `${signer.header}.${base64url.encode(JSON.stringify(claims))}`;
  const signature = await crypto.subtle.sign("Ed25519", signer.key, utf8.encode(signed));
  return `${signed}.${base64url.encode(new Uint8Array(signature))}`;
}

/**
 * Verifies a connection token offline: its signature, its expiry by this machine's clock, the cluster and the backend.
 * @returns its claims, or a short reason why it is not valid for this backend
 * @throws where the keys themselves cannot be used
 */
export async function verifyConnectionToken(
  token: string,
  keys: Jwks,
  expected: { account: string; cluster: string; backendId: string },
): Promise<{ ok: true; claims: ConnectionClaims } | { ok: false; reason: string }> {
  try {
    const { payload } = await jwtVerify(token, createLocalJWKSet(keys), {
      algorithms: ["EdDSA"],
      audience: `${expected.account}/${expected.cluster}`,
      subject: expected.backendId,
    });
    // It also demands the claims that the library only checks where they are there.
    const claims = connectionClaims.safeParse(payload);
    return claims.success
      ? { ok: true, claims: claims.data }
      : { ok: false, reason: "the token's claims are malformed" };
  } catch (error) {
    if (error instanceof errors.JOSEError) return { ok: false, reason: error.message };
    throw error;
  }
}
