import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { ListSender } from "../../../src/agent/control-plane/list-sender.ts";
import { clusterStub, serviceStub } from "../../../src/objects/stubs.ts";
import { hashSecret } from "../../../src/protocol/tokens/access-token.ts";
import type { HeartbeatAnswer, HeartbeatBody, ListedBackend } from "../../../src/protocol/v3/agent.ts";
import { caller, code, type Hello, value } from "./service.ts";

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

/**
 * One agent of a cluster which sends what has changed of its list, as ours does. @returns its heartbeat, which is sent again with the
 * whole list where the control plane requests that, and how many were refused so
 */
export async function changingAgent(hello: Hello, id = "agent-1") {
  const registration = await registrationOf(hello);
  const lists = new ListSender();
  const body = { cluster: "main", agent_id: id, version: "1" };
  const agent = {
    refused: 0,
    /** @param lose which part of it is lost on its way, if any */
    async beat(backends: ListedBackend[], lose?: "request" | "answer"): Promise<HeartbeatAnswer | null> {
      const { body: said, sent } = lists.next(backends, Date.now());
      if (lose === "request") return null;
      const answer = await clusterStub(env, hello.account, "main").heartbeat(
        hello.account,
        "main",
        registration,
        { ...body, ...said },
      );
      if (lose === "answer") return null;
      if (answer.ok) lists.answered(sent, answer.value.list_digest);
      else if (code(answer) === "list_unknown" && lists.refused(sent)) {
        agent.refused++;
        return agent.beat(backends);
      }
      return value(answer);
    },
  };
  return agent;
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
