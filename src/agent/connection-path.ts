import { backendIdPattern } from "../domain/ids.ts";

/** What a request's target names. `path` is what the backend is to see, its query included. */
export type ConnectionPath =
  | { kind: "forward"; token: string | null; path: string }
  /** The slash after the last segment is missing, without which a page's relative links would go astray. */
  | { kind: "redirect"; token: string | null; location: string };

/** The backend id that a request target (`/<backend id>/…`) begins with, or null where it begins with none. */
export function backendIdOf(target: string): string | null {
  const id = /^\/([^/?#]*)/.exec(target)?.[1] ?? "";
  return backendIdPattern.test(id) ? id : null;
}

/**
 * Reads what follows the backend id. Nothing is decoded or normalised: the backend gets the bytes that were sent.
 * @param tokenInPath whether the segment after the id is the connection token: `/<id>/<token>/…`, else `/<id>/…`
 * @returns null where the token's segment is missing
 */
export function parseConnectionPath(target: string, tokenInPath: boolean): ConnectionPath | null {
  const found = (
    tokenInPath ? /^\/[^/?#]+\/([^/?#]+)(\/[^?#]*)?(\?.*)?$/ : /^\/([^/?#]+)(\/[^?#]*)?(\?.*)?$/
  ).exec(target);
  if (!found) return null;
  const [, last = "", path, query = ""] = found;
  const token = tokenInPath ? last : null;
  if (path !== undefined) return { kind: "forward", token, path: path + query };
  // Relative, since a front may have mapped a host name of the backend's own to this path.
  return { kind: "redirect", token, location: `./${last}/${query}` };
}
