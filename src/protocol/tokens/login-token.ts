import { type CryptoKey, createLocalJWKSet, errors, jwtVerify, SignJWT } from "jose";
import { z } from "zod";
import { cliLoginSeconds } from "../../domain/limits.ts";
import type { Jwks } from "./connection-token.ts";

/** A login attempt of the CLI, before anybody has confirmed it. */
export interface LoginClaims {
  /** Random: names the object that will hold the attempt. */
  id: string;
  /** The `User-Agent` of the request that began it, shown to the person who confirms it. */
  userAgent: string;
}

const audience = "cli-login";

const payloadSchema = z.object({ jti: z.string().regex(/^[0-9a-z-]{36}$/), ua: z.string(), exp: z.int() });

/**
 * The token of a login attempt: a JWT, EdDSA over Ed25519, good for ten minutes. The attempt has no other state
 * until it is confirmed. The token is one segment of a URL's path.
 * @param id a UUID
 * @param now milliseconds since the epoch
 */
export function signLoginToken(
  signer: { key: CryptoKey; kid: string },
  issuer: string,
  { id, userAgent }: LoginClaims,
  now: number,
): Promise<string> {
  const issuedAt = Math.floor(now / 1000);
  return new SignJWT({ ua: userAgent })
    .setProtectedHeader({ alg: "EdDSA", typ: "JWT", kid: signer.kid })
    .setIssuer(issuer)
    .setAudience(audience)
    .setJti(id)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + cliLoginSeconds)
    .sign(signer.key);
}

/**
 * Verifies a login token by the deployment's public keys.
 * @param now milliseconds since the epoch
 * @returns its claims, with `expiresAt` in milliseconds since the epoch; null where it is not a login token of this
 *   deployment, or has expired
 */
export async function verifyLoginToken(
  token: string,
  keys: Jwks,
  now: number,
): Promise<(LoginClaims & { expiresAt: number }) | null> {
  try {
    const { payload } = await jwtVerify(token, createLocalJWKSet(keys), {
      algorithms: ["EdDSA"],
      audience,
      currentDate: new Date(now),
      requiredClaims: ["iss", "aud", "jti", "iat", "exp"],
    });
    const claims = payloadSchema.safeParse(payload);
    if (!claims.success) return null;
    const { jti, ua, exp } = claims.data;
    return { id: jti, userAgent: ua, expiresAt: exp * 1000 };
  } catch (error) {
    if (error instanceof errors.JOSEError) return null;
    throw error;
  }
}
