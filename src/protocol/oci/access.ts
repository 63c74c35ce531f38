import { type CryptoKey, createLocalJWKSet, errors, jwtVerify, SignJWT } from "jose";
import { z } from "zod";
import { tokenRoles } from "../../domain/credentials/access.ts";
import { registryTokenSeconds } from "../../domain/limits.ts";
import { type RepositoryAction, repositoryActions } from "../../domain/registry/actions.ts";
import { isoTime } from "../primitives.ts";
import type { Jwks } from "../tokens/connection-token.ts";

/** What a scope of the token flow asks for: `repository:<name>:<action>,…`. */
export interface RequestedAccess {
  name: string;
  actions: RepositoryAction[];
}

/** Reads the scopes of a token request. What is not about a repository is left out: nothing else is granted. */
export function parseScopes(scopes: readonly string[]): RequestedAccess[] {
  return scopes
    .flatMap((text) => text.split(" "))
    .flatMap((text) => {
      const [, name, list] = /^repository(?:\([a-z0-9]+\))?:([^\s:]+):([a-z,*]*)$/.exec(text) ?? [];
      if (name === undefined || list === undefined) return [];
      const named = list.split(",");
      const wanted = repositoryActions.filter((action) => named.includes(action) || named.includes("*"));
      return [{ name, actions: wanted }];
    });
}

/** `WWW-Authenticate` of the token flow (CNCF distribution, "Token authentication"). */
export function bearerChallenge(
  origin: string,
  service: string,
  wanted?: { repository: string; actions: readonly RepositoryAction[]; error?: "insufficient_scope" },
): string {
  const parts = [`realm="${origin}/v2/token"`, `service="${service}"`];
  if (wanted) parts.push(`scope="repository:${wanted.repository}:${wanted.actions.join(",")}"`);
  if (wanted?.error) parts.push(`error="${wanted.error}"`);
  return `Bearer ${parts.join(",")}`;
}

export const basicChallenge = 'Basic realm="Slipway",charset="UTF-8"';

const registryAudience = "registry";

/** Who a registry token speaks for, and what of its rights it was asked for. */
const registryClaims = z.object({
  sub: z.string(),
  role: z.enum([...tokenRoles, "agent"]),
  service: z.string().optional(),
  environments: z.array(z.string()).optional(),
  access: z.array(
    z.object({
      type: z.literal("repository"),
      name: z.string(),
      actions: z.array(z.enum(repositoryActions)),
    }),
  ),
});
export type RegistryClaims = z.infer<typeof registryClaims>;

export const registryTokenAnswer = z.object({
  token: z.string(),
  access_token: z.string(),
  expires_in: z.int(),
  issued_at: z.string(),
});
export type RegistryTokenAnswer = z.infer<typeof registryTokenAnswer>;

/** @param now milliseconds since the epoch */
export async function grantRegistryToken(
  signer: { key: CryptoKey; kid: string },
  issuer: string,
  { sub, ...claims }: RegistryClaims,
  now: number,
): Promise<RegistryTokenAnswer> {
  const issuedAt = Math.floor(now / 1000);
  const token = await new SignJWT(claims)
    .setProtectedHeader({ alg: "EdDSA", typ: "JWT", kid: signer.kid })
    .setIssuer(issuer)
    .setAudience(registryAudience)
    .setSubject(sub)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + registryTokenSeconds)
    .sign(signer.key);
  return {
    token,
    access_token: token,
    expires_in: registryTokenSeconds,
    issued_at: isoTime(issuedAt * 1000),
  };
}

/**
 * @param now milliseconds since the epoch
 * @returns null where it is not a registry token of this deployment, or no longer
 */
export async function verifyRegistryToken(
  token: string,
  keys: Jwks,
  now: number,
): Promise<RegistryClaims | null> {
  try {
    const { payload } = await jwtVerify(token, createLocalJWKSet(keys), {
      algorithms: ["EdDSA"],
      audience: registryAudience,
      currentDate: new Date(now),
      requiredClaims: ["iss", "aud", "sub", "iat", "exp"],
    });
    return registryClaims.safeParse(payload).data ?? null;
  } catch (error) {
    if (error instanceof errors.JOSEError) return null;
    throw error;
  }
}
