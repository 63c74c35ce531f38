import { idAlphabet, parseBackendId } from "../domain/ids.ts";
import type { ServiceLocation } from "../domain/location.ts";
import type { PlacedService } from "./contract.ts";
import type { Env } from "./env.ts";

type Namespaces = Pick<
  Env,
  "ACCOUNT" | "SERVICE" | "BACKENDS" | "CLUSTER" | "DIRECTORY" | "REGISTRY" | "LOGIN"
>;

/** How each object is named. Names hold no `/` themselves, so that no two objects share one. */
export function accountStub(env: Namespaces, account: string) {
  return env.ACCOUNT.getByName(account);
}

/** A service that there is: it was created by `newServiceStub`, and is where that placed it. */
export function serviceStub(env: Pick<Namespaces, "SERVICE">, account: string, service: string) {
  return env.SERVICE.getByName(`${account}/${service}`);
}

/** A service that may have no object yet. */
export function newServiceStub(
  env: Pick<Namespaces, "SERVICE">,
  { account, service, location }: PlacedService,
) {
  return env.SERVICE.getByName(`${account}/${service}`, placement(location));
}

/**
 * The shard that holds a backend's history: one for each first random character of an id. Any call may be its first, so
 * that every caller has to know where the service is: shards belong near it.
 */
export function backendsStub(
  env: Pick<Namespaces, "BACKENDS">,
  { account, service, location }: PlacedService,
  backendId: string,
) {
  const shard = parseBackendId(backendId)?.shard ?? idAlphabet.charAt(0);
  return env.BACKENDS.getByName(`${account}/${service}/${shard}`, placement(location));
}

/** Cloudflare respects it in the first `get` of an object only: later ones find the object where it is. */
function placement(location: ServiceLocation): DurableObjectNamespaceGetDurableObjectOptions | undefined {
  return location === "auto" ? undefined : { locationHint: location };
}

export function clusterStub(env: Namespaces, account: string, cluster: string) {
  return env.CLUSTER.getByName(`${account}/${cluster}`);
}

export function directoryStub(env: Pick<Namespaces, "DIRECTORY">, serviceCode: string) {
  return env.DIRECTORY.getByName(serviceCode.charAt(0));
}

/** The one register of accounts. Codes are of one case and have no such beginning. */
export function accountRegisterStub(env: Pick<Namespaces, "DIRECTORY">) {
  return env.DIRECTORY.getByName("accounts");
}

/** Written to by nothing but checks of storage. */
export function storageCheckStub(env: Pick<Namespaces, "DIRECTORY">) {
  return env.DIRECTORY.getByName("storage-check");
}

/** One for each account: a mount and a collection are transactions over all of its repositories. */
export function registryStub(env: Namespaces, account: string) {
  return env.REGISTRY.getByName(account);
}

/**
 * The object of a login of the CLI, one of sixteen: an id is a UUID. Anybody may begin a login and wait for it, so that an
 * object for each would be storage that strangers make.
 * @param login the id in its token
 */
export function loginStub(env: Pick<Namespaces, "LOGIN">, login: string) {
  return env.LOGIN.getByName(login.charAt(0));
}
