import type { Scope } from "../../domain/credentials/access.ts";
import { permittedActions, type RepositoryAction } from "../../domain/registry/actions.ts";
import type { RepositoryName } from "../../domain/registry/repository.ts";
import type { Env } from "../../objects/env.ts";
import { type RegistryClaims, verifyRegistryToken } from "../../protocol/oci/access.ts";
import { type OciResult, ociFail } from "../../protocol/oci/errors.ts";
import { formatAccessToken, parseAccessToken } from "../../protocol/tokens/access-token.ts";
import { authenticate } from "../admission/authenticate.ts";
import type { TokenCache } from "../admission/token-cache.ts";
import { signingOf } from "../credentials/signing.ts";

/** Who calls the registry. */
export interface Caller {
  account: string;
  scope: Scope;
  /** What a registry token was granted; null for an access token, which may use all of its rights. */
  granted: RegistryClaims["access"] | null;
}

/**
 * Whose a request is: by HTTP Basic or an access token as bearer, or by a registry token of the token flow. All that
 * is wrong with any of them is told in the same words.
 */
export async function identifyCaller(
  env: Env,
  authorization: string | null,
  tokens: TokenCache,
  now: number,
): Promise<OciResult<Caller>> {
  if (authorization === null) return ociFail("UNAUTHORIZED", "authentication required");
  const [, scheme, credentials] = /^([a-z]+) +(\S+)$/i.exec(authorization.trim()) ?? [];
  const accessToken =
    scheme?.toLowerCase() === "basic" ? accessTokenOfBasic(credentials ?? "") : (credentials ?? "");
  if (accessToken !== null && parseAccessToken(accessToken)) {
    const identity = await authenticate(env, `Bearer ${accessToken}`, tokens);
    if (identity.ok)
      return { ok: true, value: { account: identity.value.account, scope: identity.value, granted: null } };
    if (identity.error.code !== "unauthorized") throw new Error(identity.error.message);
    return badCredentials();
  }
  if (scheme?.toLowerCase() !== "bearer") return badCredentials();
  const claims = await verifyRegistryToken(credentials ?? "", signingOf(env).jwks, now);
  if (!claims) return badCredentials();
  const { sub, access, role, service, environments } = claims;
  const scope = {
    role,
    ...(service === undefined ? {} : { service }),
    ...(environments === undefined ? {} : { environments }),
  };
  return { ok: true, value: { account: sub, scope, granted: access } };
}

/**
 * The access token in Basic credentials: whole, as the account's password (`jamsocket push`), or split at its first
 * period into user and password (Jamsocket's deploy action).
 */
function accessTokenOfBasic(credentials: string): string | null {
  const text = decodeBase64(credentials);
  const colon = text.indexOf(":");
  if (colon < 0) return null;
  const user = text.slice(0, colon);
  const password = text.slice(colon + 1);
  const whole = parseAccessToken(password);
  if (whole) return whole.account === user ? formatAccessToken(whole) : null;
  const split = parseAccessToken(`${user}.${password}`);
  return split && formatAccessToken(split);
}

function decodeBase64(text: string): string {
  try {
    return atob(text);
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
    return "";
  }
}

/** What a caller may do to a repository of its own account. */
export function mayDo(caller: Caller, { service }: RepositoryName, action: RepositoryAction): boolean {
  return permittedActions(caller.scope, service).includes(action);
}

/** Whether a registry token was asked for with this right. */
export function wasGranted({ granted }: Caller, name: string, action: RepositoryAction): boolean {
  if (granted === null) return true;
  return granted.some((access) => access.name === name && access.actions.includes(action));
}

function badCredentials() {
  return ociFail("UNAUTHORIZED", "the credentials are malformed, unknown, revoked or expired");
}
