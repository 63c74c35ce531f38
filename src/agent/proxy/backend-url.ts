import { backendIdPattern, backendRandomLength, serviceCodeLength } from "../../domain/ids.ts";
import { hostMaxBytes } from "../../domain/limits.ts";

/** The backend that a request is for, and what of its target comes after the backend's own part. */
export interface BackendTarget {
  backendId: string;
  rest: string;
}

/** What a request's target names. `path` is what the backend is to see, its query included. */
export type BackendPath =
  | { kind: "forward"; token: string | null; path: string }
  /** The slash after the last segment is missing, without which a page's relative links would go astray. */
  | { kind: "redirect"; token: string | null; location: string };

/**
 * Where backends have hosts of their own, as it is compared: in lower case, without dots at the ends.
 * @throws where it is no domain name
 */
export function parseBackendDomain(text: string): string {
  const domain = text.toLowerCase().replace(/^\.|\.$/g, "");
  const label = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?";
  const hostLength = serviceCodeLength + backendRandomLength + ".".length + domain.length;
  if (new RegExp(`^${label}(\\.${label})*$`).test(domain) && hostLength <= hostMaxBytes) return domain;
  throw new Error(
    `\`${text}\` is not a domain: give one such as \`prod.example.com\`, without scheme or port`,
  );
}

/**
 * The backend whose own host `<backend id>.<domain>` a `Host` header names, with any port; null for any other
 * host. Other names below the domain, the agent's own for one, are no backend's.
 */
export function backendIdOfHost(host: string | undefined, domain: string | null): string | null {
  if (domain === null || host === undefined) return null;
  const name = host.toLowerCase().replace(/\.?(:\d*)?$/, "");
  const dot = name.indexOf(".");
  const id = name.slice(0, dot);
  return dot > 0 && name.slice(dot + 1) === domain && backendIdPattern.test(id) ? id : null;
}

/** @returns null where neither the host nor the target, `/<backend id>/…` on every other host, names a backend */
export function backendTarget(
  host: string | undefined,
  target: string,
  domain: string | null,
): BackendTarget | null {
  const ownHost = backendIdOfHost(host, domain);
  if (ownHost !== null) return target.startsWith("/") ? { backendId: ownHost, rest: target } : null;
  const backendId = /^\/([^/?#]*)/.exec(target)?.[1] ?? "";
  if (!backendIdPattern.test(backendId)) return null;
  return { backendId, rest: target.slice(backendId.length + 1) };
}

/**
 * Reads what follows the backend. Nothing is decoded or normalised: the backend gets the bytes that were sent.
 * @param tokenInPath whether the first segment is the connection token
 * @returns null where the token's segment is missing
 */
export function parseBackendPath(
  { backendId, rest }: BackendTarget,
  tokenInPath: boolean,
): BackendPath | null {
  const found = (tokenInPath ? /^\/([^/?#]+)(\/[^?#]*)?(\?.*)?$/ : /^()(\/[^?#]*)?(\?.*)?$/).exec(rest);
  if (!found) return null;
  const [, segment = "", path, query = ""] = found;
  const token = tokenInPath ? segment : null;
  if (path !== undefined) return { kind: "forward", token, path: path + query };
  // Relative, since a reverse proxy may have mapped this path to another.
  return { kind: "redirect", token, location: `./${token ?? backendId}/${query}` };
}

/**
 * Where clients reach a backend, without a slash at the end.
 * @param publicUrl where they reach the agent; with a domain, only its scheme and port count
 */
export function backendUrl(backendId: string, publicUrl: string, domain: string | null): string {
  if (domain === null) return `${publicUrl.replace(/\/+$/, "")}/${backendId}`;
  const { protocol, port } = new URL(publicUrl);
  return `${protocol}//${backendId}.${domain}${port === "" ? "" : `:${port}`}`;
}
