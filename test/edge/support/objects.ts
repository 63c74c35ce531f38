import { listDurableObjectIds } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { idAlphabet } from "../../../src/domain/ids.ts";
import {
  backendsStub,
  clusterStub,
  directoryStub,
  loginStub,
  registryStub,
} from "../../../src/objects/stubs.ts";

/** Every object there is, of each class in order: of each there is a file, if only an empty one. */
export async function objects(): Promise<Record<string, string[]>> {
  const listed = {
    account: await listDurableObjectIds(env.ACCOUNT),
    service: await listDurableObjectIds(env.SERVICE),
    backends: await listDurableObjectIds(env.BACKENDS),
    cluster: await listDurableObjectIds(env.CLUSTER),
    directory: await listDurableObjectIds(env.DIRECTORY),
    registry: await listDurableObjectIds(env.REGISTRY),
    login: await listDurableObjectIds(env.LOGIN),
  };
  return Object.fromEntries(Object.entries(listed).map(([name, ids]) => [name, ids.map(String).sort()]));
}

/**
 * Wakes the objects of which there is a fixed number, so that they are there already: those of the directory and of
 * logins, and of one account the registry, the cluster `main`, and the shards of a service.
 */
export async function wakeFixedObjects(account: string, service: string): Promise<void> {
  const shards = Array.from(idAlphabet, async (letter) => {
    await directoryStub(env, letter).lookup(letter);
    const id = `00000${letter}0000000`;
    await backendsStub(env, { account, service, location: "auto" }, id).describe(account, service, id);
  });
  const logins = Array.from("0123456789abcdef", (digit) => loginStub(env, digit).complete(digit, "0000"));
  const registry = registryStub(env, account).untaggedBytes();
  await Promise.all([...shards, ...logins, registry, clusterStub(env, account, "main").observe(0)]);
}
