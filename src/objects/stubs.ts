import { idAlphabet, parseBackendId } from "../domain/ids.ts";
import type { Env } from "./env.ts";

type Namespaces = Pick<
  Env,
  "ACCOUNT" | "SERVICE" | "BACKENDS" | "CLUSTER" | "DIRECTORY" | "REGISTRY" | "LOGIN"
>;

/** How each object is named. Names hold no `/` themselves, so that no two objects share one. */
export function accountStub(env: Namespaces, account: string) {
  return env.ACCOUNT.getByName(account);
}

export function serviceStub(env: Namespaces, account: string, service: string) {
  return env.SERVICE.getByName(`${account}/${service}`);
}

/** The shard that holds a backend's history: one for each first random character of an id. */
export function backendsStub(env: Namespaces, account: string, service: string, backendId: string) {
  const shard = parseBackendId(backendId)?.shard ?? idAlphabet.charAt(0);
  return env.BACKENDS.getByName(`${account}/${service}/${shard}`);
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
