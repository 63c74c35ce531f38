import { isName } from "../names.ts";

/** Where the images of a service are: `<account>/<service>`. */
export interface RepositoryName {
  account: string;
  service: string;
}

/** OCI Distribution 1.1, "Pulling manifests": the grammar of a repository's name. */
const namePattern = /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$/;
const nameMaxCharacters = 255;

/** What a text is, as a repository's name. */
export type ParsedRepositoryName =
  | { kind: "repository"; repository: RepositoryName }
  /** The grammar allows it, and no service can have it. */
  | { kind: "unknown" }
  | { kind: "malformed" };

/**
 * Reads a repository's name.
 * @example parseRepositoryName("acme/hello") // { kind: "repository", repository: { account: "acme", service: "hello" } }
 * @example parseRepositoryName("library") // { kind: "unknown" }
 * @example parseRepositoryName("Acme/hello") // { kind: "malformed" }
 */
export function parseRepositoryName(text: string): ParsedRepositoryName {
  const [account = "", service = "", ...more] = text.split("/");
  if (more.length === 0 && isName(account) && isName(service)) {
    return { kind: "repository", repository: { account, service } };
  }
  return { kind: text.length <= nameMaxCharacters && namePattern.test(text) ? "unknown" : "malformed" };
}
