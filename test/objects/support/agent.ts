import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { clusterStub, serviceStub } from "../../../src/objects/stubs.ts";
import { hashSecret } from "../../../src/protocol/tokens/access-token.ts";
import type { HeartbeatBody, ListedBackend } from "../../../src/protocol/v3/agent.ts";
import { caller, type Hello, value } from "./service.ts";

/** Registers another cluster beside `main`. */
export async function register(hello: Hello, name: string, webhook_url = "https://cluster.test/hook") {
  return hello.accountObject.createCluster(
    { name, webhook_url, backend_url_template: `https://{backend_id}.${name}.test` },
    { id: `agent${name}`.slice(0, 12).padEnd(12, "0"), secretHash: await hashSecret(name) },
    hello.signingSecret,
    caller,
  );
}

/** The present registration of a cluster. */
export async function registrationOf(hello: Hello, name = "main"): Promise<number> {
  const { clusters } = value(await hello.accountObject.config());
  return clusters.find((cluster) => cluster.name === name)?.registration ?? 0;
}

/** One agent of a cluster as its heartbeats show it. @param registration the cluster's present one where left out */
export function agentOf(hello: Hello, name = "main", registration?: number) {
  const stub = () => clusterStub(env, hello.account, name);
  return {
    stub,
    beat: async (backends: ListedBackend[], agent_id = "agent-1", more: Partial<HeartbeatBody> = {}) =>
      stub().heartbeat(hello.account, name, registration ?? (await registrationOf(hello, name)), {
        cluster: name,
        agent_id,
        version: "1",
        backends,
        ...more,
      }),
  };
}

/** The ids of the backends that a list of live ones shows; oldest first. */
export async function listed(hello: Hello): Promise<string[]> {
  const newestFirst = value(await hello.service().liveBackends());
  return newestFirst.map(({ info }) => info.id).reverse();
}

/** The ids of the backends that are not ended, whether or not a list shows them; oldest first. */
export async function notEnded(hello: Hello, service = "hello"): Promise<string[]> {
  return runInDurableObject(serviceStub(env, hello.account, service), (_, { storage }) =>
    storage.sql
      .exec<{ id: string }>("SELECT id FROM backends WHERE status != 'terminated' ORDER BY fencing_token")
      .toArray()
      .map(({ id }) => id),
  );
}

/** Makes every call that reads a table fail. @returns what mends it */
export async function breakTable(stub: DurableObjectStub, table: string): Promise<() => Promise<void>> {
  await runInDurableObject(stub, (_, { storage }) => {
    storage.sql.exec(`ALTER TABLE ${table} RENAME TO broken`);
  });
  return () =>
    runInDurableObject(stub, (_, { storage }) => {
      storage.sql.exec(`ALTER TABLE broken RENAME TO ${table}`);
    });
}
