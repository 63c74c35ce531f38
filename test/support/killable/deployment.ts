import { join } from "node:path";
import { z } from "zod";
import { freePort } from "../../../src/agent/runtimes/free-port.ts";
import { createdAccount } from "../../../src/protocol/v3/accounts.ts";
import { createdCluster } from "../../../src/protocol/v3/clusters.ts";
import { image } from "../../../src/protocol/v3/images.ts";
import { environment } from "../../../src/protocol/v3/services.ts";
import { call } from "../api.ts";
import { startDockerEngine } from "../docker/engine.ts";
import { type EngineWitness, watchEngine } from "../docker/engine-witness.ts";
import { buildLingeringImage } from "../docker/lingering-image.ts";
import { writeSlowRunc } from "../docker/slow-runc.ts";
import { makeFolder } from "../folder.ts";
import { killableAgent } from "./agent.ts";
import type { KillableProcess } from "./process.ts";
import { type KillableWorkerd, killableWorkerd } from "./workerd.ts";

export const environments = ["staging", "prod"] as const;
export const clusters = ["one", "two"] as const;
export const service = "hello";

/** A control plane and the agents of two clusters, each a process of its own, on one engine. */
export interface KillableDeployment extends AsyncDisposable {
  api: { api_url: string; token: string };
  controlPlane: KillableWorkerd;
  agents: readonly [KillableProcess, KillableProcess];
  witness: EngineWitness;
}

/** Starts all of it: an environment for each cluster, and an image that the engine has. */
export async function startKillableDeployment(): Promise<KillableDeployment> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await makeFolder()).path;
  // Every other container: an agent that was killed may be back before what it was starting runs.
  const { path: ociRuntime } = await writeSlowRunc(folder, "[0-7]*");
  const engine = stack.use(await startDockerEngine({ networking: true, ociRuntime }));
  const { repository, digest } = await buildLingeringImage(engine.dockerOf(folder), folder);
  const witness = stack.use(await watchEngine(engine.socketPath));
  const controlPlane = stack.use(await killableWorkerd(join(folder, "control-plane")));
  controlPlane.start();
  await controlPlane.serving();

  const root = { api_url: controlPlane.apiUrl, token: controlPlane.rootToken };
  const account = await call(root, createdAccount, "/v3/accounts", { json: { name: "acme" } });
  const api = { api_url: controlPlane.apiUrl, token: account.token.secret_token };
  const startAgent = async (cluster: string) => {
    const port = await freePort(new Set());
    const url = `http://127.0.0.1:${port}`;
    const { agent_token, signing_secret } = await call(api, createdCluster, "/v3/accounts/acme/clusters", {
      json: { name: cluster, webhook_url: `${url}/webhook`, backend_url_template: `${url}/{backend_id}` },
    });
    const env = {
      SLIPWAY_API_URL: controlPlane.apiUrl,
      SLIPWAY_CLUSTER: cluster,
      SLIPWAY_AGENT_TOKEN: agent_token,
      SLIPWAY_SIGNING_SECRET: signing_secret,
      SLIPWAY_AGENT_STATE_DIR: join(folder, cluster),
      SLIPWAY_PORT: String(port),
      SLIPWAY_DOCKER_HOST: engine.env.DOCKER_HOST,
    };
    const agent = stack.use(killableAgent(env));
    agent.start();
    return agent;
  };
  const agents = [await startAgent(clusters[0]), await startAgent(clusters[1])] as const;

  await call(api, z.looseObject({}), "/v3/accounts/acme/services", { json: { name: service } });
  const path = `/v3/accounts/acme/services/${service}`;
  await call(api, image, `${path}/images`, { json: { digest, tag: "latest", repository } });
  for (const [index, name] of environments.entries()) {
    const cluster = clusters[index % clusters.length];
    await call(api, environment, `${path}/environments`, { json: { name, cluster } });
  }
  await Promise.all(agents.map((agent) => agent.serving()));
  const started = stack.move();
  return { api, controlPlane, agents, witness, [Symbol.asyncDispose]: () => started.disposeAsync() };
}
