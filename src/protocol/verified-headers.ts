import { utf8Length } from "../domain/backends/spawn-env.ts";
import { connectionClaimsMaxBytes, verifiedHeadersMaxBytes } from "../domain/limits.ts";

/** Who connects, as a connection token says it to the cluster's proxy. */
interface VerifiedUser {
  user?: string | undefined;
  auth?: object | undefined;
}

/** A connection, as its token and its backend's spawn say it to the cluster's proxy. */
export interface VerifiedConnection extends VerifiedUser {
  backendId: string;
  /** The connection's (`connectionSecret`), null for a token without an id. */
  secret: string | null;
}

/**
 * The headers that say to the backend who connects, and to what: those of `userHeaders`, with `{}` where the token has no
 * `auth`, and `x-verified-backend` and `x-verified-secret`. `x-verified-path` is each request's own.
 * @returns names and values in turn
 */
export function verifiedHeaders({ user, auth = {}, backendId, secret }: VerifiedConnection): string[] {
  return [
    ...userHeaders({ user, auth }),
    "x-verified-backend",
    backendId,
    ...(secret === null ? [] : ["x-verified-secret", secret]),
  ];
}

/**
 * The headers that identify the client to the backend.
 *
 * `x-verified-username` is the claim `user`, percent-encoded as UTF-8 where a character is not printable ASCII or
 * is `%`, so that `decodeURIComponent` gives back exactly what was signed and plain names stay as they are.
 * `x-verified-user-data` is the claim `auth` as JSON in which everything beyond ASCII is a `\u` escape.
 * @returns names and values in turn
 */
export function userHeaders({ user, auth }: VerifiedUser): string[] {
  return [
    ...(user === undefined ? [] : ["x-verified-username", headerText(user)]),
    ...(auth === undefined ? [] : ["x-verified-user-data", asciiJson(auth)]),
  ];
}

/**
 * Why `user` and `auth` do not fit where they go, which is into a URL, in a token, and into two headers; null where they do.
 * @example verifiedUserProblem({ user: "ada" }) // null
 */
export function verifiedUserProblem({ user, auth }: VerifiedUser): string | null {
  const bytes = utf8Length(JSON.stringify({ user, auth }));
  if (bytes > connectionClaimsMaxBytes) {
    return `\`user\` and \`auth\` have ${bytes} bytes as JSON, which is a part of the URL; at most ${connectionClaimsMaxBytes} are allowed`;
  }
  const headerBytes = userHeaders({ user, auth }).join(": ").length;
  if (headerBytes <= verifiedHeadersMaxBytes) return null;
  return `\`user\` and \`auth\` have ${headerBytes} bytes as headers in ASCII; at most ${verifiedHeadersMaxBytes} are allowed`;
}

/** A text as a header value; see `userHeaders`. Blanks at either end are encoded too: HTTP would trim them. */
export function headerText(text: string): string {
  return text.toWellFormed().replace(/[^\x20-\x7e]|%|^ +| +$/gu, (part) => encodeURIComponent(part));
}

/** JSON in printable ASCII. */
export function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
