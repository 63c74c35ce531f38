import type { IncomingHttpHeaders } from "node:http";
import type { ConnectionClaims } from "../protocol/connection-token.ts";

/** RFC 9110 7.6.1, and RFC 9112: what concerns one hop only. `transfer-encoding` is kept for the body's sake. */
const hopByHop = ["connection", "keep-alive", "proxy-connection", "proxy-authorization", "te", "trailer"];

const verifiedPrefix = "x-verified-";

/**
 * The headers that a backend gets: the client's own without every `x-verified-*`, which are the proxy's to set.
 *
 * `x-verified-username` is the claim `user`, percent-encoded as UTF-8 where a character is not printable ASCII or
 * is `%`, so that `decodeURIComponent` gives back exactly what was signed and plain names stay as they are.
 * `x-verified-user-data` is the claim `auth` as JSON in which everything beyond ASCII is a `\u` escape.
 *
 * @param headers with names in lower case, as Node gives them
 */
export function forwardedHeaders(
  headers: IncomingHttpHeaders,
  claims: ConnectionClaims,
  options: { tokenInHeader: boolean; isUpgrade: boolean },
): IncomingHttpHeaders {
  const named = connectionOptions(headers);
  const dropped = new Set([
    ...hopByHop,
    ...named,
    "expect",
    ...(options.tokenInHeader ? ["authorization"] : []),
  ]);
  const kept: IncomingHttpHeaders = Object.fromEntries(
    Object.entries(headers).filter(([name]) => !dropped.has(name) && !name.startsWith(verifiedPrefix)),
  );
  if (options.isUpgrade) kept.upgrade = "websocket";
  else delete kept.upgrade;
  kept.connection = options.isUpgrade ? "Upgrade" : named.includes("close") ? "close" : "keep-alive";
  if (claims.user !== undefined) kept["x-verified-username"] = headerText(claims.user);
  if (claims.auth !== undefined) kept["x-verified-user-data"] = asciiJson(claims.auth);
  return kept;
}

/** The names that a `Connection` header lists. They may not take away what frames or addresses the request. */
function connectionOptions(headers: IncomingHttpHeaders): string[] {
  const framing = ["transfer-encoding", "content-length", "host"];
  return (headers.connection ?? "")
    .split(",")
    .map((option) => option.trim().toLowerCase())
    .filter((option) => option !== "" && !framing.includes(option));
}

/** A text as a header value; see `forwardedHeaders`. Blanks at either end are encoded too: HTTP would trim them. */
export function headerText(text: string): string {
  return text.toWellFormed().replace(/[^\x20-\x7e]+|%|^ +| +$/gu, (part) => encodeURIComponent(part));
}

/** JSON in printable ASCII. */
export function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
