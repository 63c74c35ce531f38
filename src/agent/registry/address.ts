import { fail, ok, type Result } from "../../domain/result.ts";

export interface RepositoryAddress {
  /** Where the registry is: scheme, host and port. */
  origin: string;
  /** The repository's name below `/v2/`. */
  name: string;
}

/** Registries whose address is not the host that image names give. */
const addressOfHost: Readonly<Record<string, string>> = { "docker.io": "registry-1.docker.io" };

/** A name or an address, and a port. */
const hostPattern = /^([a-z0-9.-]+|\[[0-9a-f:]+\])(:\d{1,5})?$/i;

/**
 * Reads `<host>[:<port>]/<name>`. As docker has it, the part before the first slash is a host if it has a dot or a
 * colon or is `localhost`; plain http is for this machine only.
 */
export function parseRepository(repository: string): Result<RepositoryAddress> {
  const slash = repository.indexOf("/");
  const host = repository.slice(0, Math.max(slash, 0));
  if (!/[.:]/.test(host) && host !== "localhost") {
    return fail("image_not_found", `repository \`${repository}\` names no registry: expected host/name`);
  }
  const address = addressOfHost[host] ?? host;
  const url = hostPattern.test(address) ? URL.parse(`https://${address}`) : null;
  if (url === null) {
    return fail("image_not_found", `\`${host}\` is not the address of a registry`);
  }
  if (isLoopback(url)) url.protocol = "http:";
  return ok({ origin: `${url.protocol}//${address}`, name: repository.slice(slash + 1) });
}

/** Whether a URL names this machine. */
export function isLoopback({ hostname }: URL): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);
}

/**
 * Whether a redirect or token server that a registry names may be requested: over https any, since what comes back is
 * verified and no credentials are sent along; over plain http only this machine, and only for a registry on it.
 */
export function mayBeSentTo(registry: URL, target: URL): boolean {
  if (target.username !== "" || target.password !== "") return false;
  if (target.protocol === "https:") return true;
  return target.protocol === "http:" && isLoopback(registry) && isLoopback(target);
}
