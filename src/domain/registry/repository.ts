import { isName } from "../names.ts";

/** Where the images of a service are: `<account>/<service>`. */
export interface RepositoryName {
  account: string;
  service: string;
}

/** OCI Distribution 1.1, "Pulling manifests": the grammar of a repository's name. */
const namePattern = /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$/;
const nameMaxCharacters = 255;

export type ParsedRepositoryName =
  | { kind: "repository"; repository: RepositoryName }
  | { kind: "unknown" }
  | { kind: "malformed" };

/**
 * Reads a repository's name. `unknown` is one that the grammar allows and that no service can have.
 */
export function parseRepositoryName(text: string): ParsedRepositoryName {
  const [account = "", service = "", ...more] = text.split("/");
  if (more.length === 0 && isName(account) && isName(service)) {
    return { kind: "repository", repository: { account, service } };
  }
  return { kind: text.length <= nameMaxCharacters && namePattern.test(text) ? "unknown" : "malformed" };
}
