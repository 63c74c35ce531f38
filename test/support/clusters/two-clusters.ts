import { join } from "node:path";
import { z } from "zod";
import { freePort } from "../../../src/agent/runtimes/free-port.ts";
import { nodeImage } from "../../../src/local/node-image.ts";
import { pushImage } from "../../../src/local/push-image.ts";
import { createdAccount } from "../../../src/protocol/v3/accounts.ts";
import { createdCluster } from "../../../src/protocol/v3/clusters.ts";
import { environment } from "../../../src/protocol/v3/services.ts";
import { call } from "../api.ts";
import { makeFolder } from "../folder.ts";
import { type KillableWorker, killableWorker } from "../killable/worker.ts";
import { lifeProgram } from "../life.ts";
import { type AgentCommand, startAgentCommand } from "./agent-command.ts";
import { type Link, startLink } from "./link.ts";

/**
 * Slipway and the agents of two clusters, `near` and `far`, each a process of its own. The service `hello` of the
 * account `acme` runs `lifeProgram`, and its environment `prod` spawns into `near`.
 */
export interface TwoClusters extends AsyncDisposable {
  api: { api_url: string; token: string };
  controlPlane: KillableWorker;
  near: AgentCommand;
  /** The only links between Slipway and the agent of `near`; clients bypass them. */
  links: { toSlipway: Link; toAgent: Link };
}

export async function startTwoClusters(): Promise<TwoClusters> {
  await using started = new AsyncDisposableStack();
  const folder = started.use(await makeFolder());
  // Without an address of its own Slipway names its registry as each client calls it, so that pulls keep to the links.
  const worker = started.use(await killableWorker(join(folder.path, "worker"), { API_URL: "" }));
  await worker.start();
  const root = { api_url: worker.apiUrl, token: worker.rootToken };
  const account = await call(root, createdAccount, "/v3/accounts", { json: { name: "acme" } });
  const api = { api_url: worker.apiUrl, token: account.token.secret_token };

  async function startCluster(name: string, port: number, way: { slipwayUrl: string; agentUrl: string }) {
    const json = {
      name,
      webhook_url: `${way.agentUrl}/webhook`,
      backend_url_template: `http://127.0.0.1:${port}/{backend_id}`,
    };
    const created = await call(api, createdCluster, "/v3/accounts/acme/clusters", { json });
    const agent = await startAgentCommand({
      SLIPWAY_API_URL: way.slipwayUrl,
      SLIPWAY_CLUSTER: name,
      SLIPWAY_AGENT_TOKEN: created.agent_token,
      SLIPWAY_SIGNING_SECRET: created.signing_secret,
      SLIPWAY_AGENT_STATE_DIR: join(folder.path, name),
      SLIPWAY_PORT: String(port),
      SLIPWAY_RUNTIME: "process",
    });
    return started.use(agent);
  }
  const nearPort = await freePort(new Set());
  const farPort = await freePort(new Set([nearPort]));
  const links = {
    toSlipway: started.use(await startLink(Number(new URL(worker.apiUrl).port))),
    toAgent: started.use(await startLink(nearPort)),
  };
  const near = await startCluster("near", nearPort, {
    slipwayUrl: links.toSlipway.url,
    agentUrl: links.toAgent.url,
  });
  await startCluster("far", farPort, {
    slipwayUrl: worker.apiUrl,
    agentUrl: `http://127.0.0.1:${farPort}`,
  });

  await call(api, z.looseObject({}), "/v3/accounts/acme/services", { json: { name: "hello" } });
  const repository = { apiUrl: worker.apiUrl, account: "acme", service: "hello", token: api.token };
  await pushImage(repository, nodeImage(lifeProgram), ["latest"]);
  await call(api, environment, "/v3/accounts/acme/services/hello/environments", {
    json: { name: "prod", cluster: "near", settings: { max_idle_seconds: 0 } },
  });
  const kept = started.move();
  return { api, controlPlane: worker, near, links, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}
