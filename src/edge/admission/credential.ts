import { type AccessToken, parseAccessToken } from "../../protocol/tokens/access-token.ts";

/** What a request authenticates with. */
export interface Credential {
  /** A bearer token as it was sent; empty where there is none. */
  bearer: string;
  /** Null where it has not the form of an access token, which is that of a session's credential too. */
  accessToken: AccessToken | null;
}

/** RFC 6750 2.1; the scheme's name is case-insensitive (RFC 9110 11.1). */
const bearerPattern = /^bearer +([^\s]+)$/i;
const schemePattern = /^([a-z]+) +(\S+)$/i;

/** @param authorization the header; without one there is no credential */
export function bearerCredential(authorization: string | null): Credential | null {
  return authorization === null ? null : tokenCredential(bearerPattern.exec(authorization)?.[1] ?? "");
}

/** Whether a request presents a bearer token, whatever it is worth. */
export function isBearer(authorization: string | null): boolean {
  return /^\s*bearer(\s|$)/i.test(authorization ?? "");
}

/** @param token as it was sent: an access token, or another kind of bearer token */
export function tokenCredential(token: string): Credential {
  return { bearer: token, accessToken: parseAccessToken(token) };
}

/** The same for clients of the registry, which send access tokens by HTTP Basic too. */
export function basicOrBearerCredential(authorization: string | null): Credential | null {
  if (authorization === null) return null;
  const [, scheme = "", credentials = ""] = schemePattern.exec(authorization.trim()) ?? [];
  switch (scheme.toLowerCase()) {
    case "basic":
      return { bearer: "", accessToken: accessTokenOfBasic(credentials) };
    case "bearer":
      return tokenCredential(credentials);
    default:
      return { bearer: "", accessToken: parseAccessToken(credentials) };
  }
}

/**
 * The access token in Basic credentials: whole, as the account's password (`jamsocket push`), or split at its first
 * period into user and password (Jamsocket's deploy action).
 */
function accessTokenOfBasic(credentials: string): AccessToken | null {
  const text = decodeBase64(credentials);
  const colon = text.indexOf(":");
  if (colon < 0) return null;
  const user = text.slice(0, colon);
  const password = text.slice(colon + 1);
  const whole = parseAccessToken(password);
  if (whole) return whole.account === user ? whole : null;
  return parseAccessToken(`${user}.${password}`);
}

function decodeBase64(text: string): string {
  try {
    return atob(text);
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
    return "";
  }
}
