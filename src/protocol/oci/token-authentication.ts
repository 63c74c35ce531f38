import { type CryptoKey, createLocalJWKSet, errors, type JWTPayload, jwtVerify, SignJWT } from "jose";
import { z } from "zod";
import { registryTokenSeconds } from "../../domain/limits.ts";
import { type RepositoryAction, repositoryActions } from "../../domain/registry/actions.ts";
import { isoTime } from "../primitives.ts";
import type { Jwks } from "../tokens/connection-token.ts";

/** One scope of a token request (CNCF distribution, "Token scope"): `repository:<name>:<action>,…`. */
export interface RequestedAccess {
  name: string;
  actions: RepositoryAction[];
}

/**
 * Reads the scopes of a token request, each of which may hold several separated by spaces (RFC 6749 3.3). What is not
 * about a repository, and actions that are not known here, are left out.
 * @example parseScopes(["repository:acme/hello:pull,push"]) // [{ name: "acme/hello", actions: ["pull", "push"] }]
 */
export function parseScopes(scopes: readonly string[]): RequestedAccess[] {
  return scopes
    .flatMap((text) => text.split(" "))
    .flatMap((text) => {
      const [, name, list = ""] = /^repository(?:\([a-z0-9]+\))?:([^\s:]+):([a-z,*]*)$/.exec(text) ?? [];
      if (name === undefined) return [];
      const named = list.split(",");
      const actions = repositoryActions.filter((action) => named.includes(action) || named.includes("*"));
      return [{ name, actions }];
    });
}

/** The scope of the list of repositories (CNCF distribution, "Token scope"). */
export const catalogScope = "registry:catalog:*";

/** Whether a token request's scopes have the list of repositories among them. */
export function requestsCatalog(scopes: readonly string[]): boolean {
  return scopes.some((text) => text.split(" ").includes(catalogScope));
}

/** What is wrong with the bearer token of a request (RFC 6750 3.1). Clients keep their token where nothing is said of it. */
export type BearerError = "invalid_token" | "insufficient_scope";

/**
 * `WWW-Authenticate` of the token flow (CNCF distribution, "Token authentication"; RFC 6750 3).
 * @param origin of the deployment, below which tokens are granted
 * @param service the registry's host, which the client repeats in its token request
 * @param required `scope` is the access that the request lacked, `error` what is wrong with the token that it carried
 */
export function bearerChallenge(
  origin: string,
  service: string,
  { scope, error }: { scope?: string | undefined; error?: BearerError | undefined } = {},
): string {
  const parts = [`realm="${origin}/v2/token"`, `service="${service}"`];
  if (scope !== undefined) parts.push(`scope="${scope}"`);
  if (error !== undefined) parts.push(`error="${error}"`);
  return `Bearer ${parts.join(",")}`;
}

/**
 * The scope of a repository in a challenge. Whoever pushes pulls too.
 * @example repositoryScope("acme/hello", "push") // "repository:acme/hello:pull,push"
 */
export function repositoryScope(name: string, action: RepositoryAction): string {
  return `repository:${name}:${action === "push" ? "pull,push" : action}`;
}

/** `WWW-Authenticate` of the token endpoint itself (RFC 7617). */
export const basicChallenge = 'Basic realm="Slipway",charset="UTF-8"';

const registryAudience = "registry";

/**
 * The claims of a registry token. What its holder may do is not among them: that is looked up at each use by the
 * credential, so that the registry token ends with it.
 */
const registryClaims = z.object({
  /** The account. */
  sub: z.string(),
  /** The id, which is no secret, of the access token or session that the registry token was granted to. */
  credential: z.string(),
  /** The access requested, as far as the credential allowed it. */
  access: z.array(
    z.discriminatedUnion("type", [
      z.object({
        type: z.literal("repository"),
        name: z.string(),
        actions: z.array(z.enum(repositoryActions)),
      }),
      z.object({
        type: z.literal("registry"),
        name: z.literal("catalog"),
        actions: z.tuple([z.literal("*")]),
      }),
    ]),
  ),
});
export type RegistryClaims = z.infer<typeof registryClaims>;

export const catalogGrant: RegistryClaims["access"][number] = {
  type: "registry",
  name: "catalog",
  actions: ["*"],
};

/** The answer of the token endpoint. `token` and `access_token` are the same; `expires_in` in seconds. */
export const registryTokenAnswer = z.object({
  token: z.string(),
  access_token: z.string(),
  expires_in: z.int(),
  issued_at: z.string(),
});
export type RegistryTokenAnswer = z.infer<typeof registryTokenAnswer>;

/**
 * Grants a registry token: a JWT, EdDSA over Ed25519, good for an hour, and no longer than its credential.
 * @param issuer the deployment's origin
 * @param now milliseconds since the epoch, as is `credentialExpiresAt`, the end of the credential where it has one
 */
export async function grantRegistryToken(
  signer: { key: CryptoKey; kid: string },
  issuer: string,
  { sub, ...claims }: RegistryClaims,
  now: number,
  credentialExpiresAt = Number.POSITIVE_INFINITY,
): Promise<RegistryTokenAnswer> {
  const issuedAt = Math.floor(now / 1000);
  const expiresAt = Math.min(issuedAt + registryTokenSeconds, Math.floor(credentialExpiresAt / 1000));
  const token = await new SignJWT(claims)
    .setProtectedHeader({ alg: "EdDSA", typ: "JWT", kid: signer.kid })
    .setIssuer(issuer)
    .setAudience(registryAudience)
    .setSubject(sub)
    .setIssuedAt(issuedAt)
    .setExpirationTime(expiresAt)
    .sign(signer.key);
  return {
    token,
    access_token: token,
    expires_in: expiresAt - issuedAt,
    issued_at: isoTime(issuedAt * 1000),
  };
}

/** A registry token that was verified. */
export interface VerifiedToken {
  claims: RegistryClaims;
  /** Milliseconds since the epoch. */
  expiresAt: number;
}

/**
 * Verifies a registry token by the deployment's public keys.
 * @param now milliseconds since the epoch
 * @param lapsedMs accepts one that expired less long ago than this
 * @returns null where it is not a registry token of this deployment, or has expired
 */
export async function verifyRegistryToken(
  token: string,
  keys: Jwks,
  now: number,
  lapsedMs = 0,
): Promise<VerifiedToken | null> {
  const payload = await verifiedPayload(token, keys, now - lapsedMs);
  const claims = registryClaims.safeParse(payload).data;
  return claims ? { claims, expiresAt: (payload?.exp ?? 0) * 1000 } : null;
}

async function verifiedPayload(token: string, keys: Jwks, now: number): Promise<JWTPayload | null> {
  try {
    const { payload } = await jwtVerify(token, createLocalJWKSet(keys), {
      algorithms: ["EdDSA"],
      audience: registryAudience,
      currentDate: new Date(now),
      requiredClaims: ["iss", "aud", "sub", "iat", "exp"],
    });
    return payload;
  } catch (error) {
    if (error instanceof errors.JOSEError) return null;
    throw error;
  }
}
