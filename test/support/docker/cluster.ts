import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort } from "../../../src/agent/runtimes/free-port.ts";
import { nodeImage, nodeLayer } from "../../../src/local/node-image.ts";
import { ownNode } from "../../../src/local/own-node.ts";
import { pushImage } from "../../../src/local/push-image.ts";
import { bundleNodeProgram } from "../../../src/local/worker/bundle.ts";
import { createdCluster } from "../../../src/protocol/v3/clusters.ts";
import { type EnvironmentSettingsBody, environment } from "../../../src/protocol/v3/services.ts";
import { call } from "../api.ts";
import { type AgentCommand, startAgentCommand } from "../clusters/agent-command.ts";
import { makeFolder } from "../folder.ts";
import { type Jamsocket, jamsocketOf } from "../jamsocket.ts";
import { pathOf } from "../programs.ts";
import { type RegistryDeployment, startRegistryDeployment } from "../registry/deployment.ts";
import { type Docker, startDockerEngine } from "./engine.ts";

/**
 * A deployment with the service `hello` of `acme`, a cluster `docker` whose `slipway agent` has an engine of its own,
 * and somebody who is logged in with the docker and the Jamsocket CLI.
 */
export interface DockerCluster extends AsyncDisposable {
  api: RegistryDeployment["api"];
  /** Where the service's images are pushed to. */
  repository: string;
  agent: AgentCommand;
  jamsocket: Jamsocket;
  /** Runs a command of the docker CLI. @returns what it printed. Fails, with that, where the command does */
  docker(...args: string[]): Promise<string>;
  /** Builds an image and pushes it, with the docker CLI. @returns the digest that docker received */
  push(tag: string, dockerfile: string, files: Record<string, FileSource>): Promise<string>;
  /** Adds an environment that spawns into the cluster. */
  addEnvironment(name: string, image: string, settings?: EnvironmentSettingsBody): Promise<void>;
  /** The names of all containers that the engine has, whatever their state: those of their backends. */
  containers(...filters: string[]): Promise<string[]>;
  /** What the engine holds of a container, a value of its own API. @param template a path, as docker takes it */
  inspect(container: string, template: string): Promise<unknown>;
}

type FileSource = { text: string } | { path: string };

export async function startDockerCluster(): Promise<DockerCluster> {
  await using stack = new AsyncDisposableStack();
  const home = stack.use(await makeFolder()).path;
  const engine = stack.use(await startDockerEngine({ networking: true }));
  const deployment = stack.use(await startRegistryDeployment());
  const { api, host } = deployment;
  const repository = `${host}/acme/hello`;
  await deployment.createService("hello");
  const agent = stack.use(await startClusterAgent(api, engine.env.DOCKER_HOST, join(home, "agent")));
  const run = engine.dockerOf(home);
  const docker = (...args: string[]) => succeed(run, args);
  await docker("login", host, "--username", "acme", "--password", api.token);
  const jamsocket = await jamsocketOf(home, api.api_url, engine.env);
  await jamsocket("login", "--token", api.token);
  const started = stack.move();

  return {
    api,
    repository,
    agent,
    jamsocket,
    docker,
    async push(tag, dockerfile, files) {
      const context = join(home, `context-${tag}`);
      await mkdir(context);
      await writeFile(join(context, "Dockerfile"), dockerfile);
      for (const [name, source] of Object.entries(files)) {
        if ("path" in source) await copyFile(source.path, join(context, name));
        else await writeFile(join(context, name), source.text);
      }
      const name = `${repository}:${tag}`;
      await docker("build", "--quiet", "--tag", name, context);
      const pushed = await docker("push", name);
      const [, digest] = /digest: (sha256:[0-9a-f]{64})/.exec(pushed) ?? [];
      if (digest === undefined) throw new Error(`no digest in: ${pushed}`);
      return digest;
    },
    async addEnvironment(name, image, settings) {
      const json = { name, cluster: "docker", image, ...(settings && { settings }) };
      await call(api, environment, "/v3/accounts/acme/services/hello/environments", { json });
    },
    async containers(...filters) {
      const args = filters.flatMap((filter) => ["--filter", filter]);
      const names = await docker("ps", "--all", "--format", "{{.Names}}", ...args);
      return names.split("\n").filter((name) => name !== "");
    },
    async inspect(container, template) {
      return JSON.parse(await docker("inspect", "--format", `{{json ${template}}}`, container));
    },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}

async function succeed(docker: Docker, args: string[]): Promise<string> {
  const { exitCode, stdout, output } = await docker(...args);
  if (exitCode !== 0) throw new Error(`docker ${args[0]}: ${output}`);
  return stdout.trim();
}

async function startClusterAgent(api: RegistryDeployment["api"], dockerHost: string, stateDir: string) {
  const port = await freePort(new Set());
  const url = `http://127.0.0.1:${port}`;
  const json = {
    name: "docker",
    webhook_url: `${url}/webhook`,
    backend_url_template: `${url}/{backend_id}`,
  };
  const cluster = await call(api, createdCluster, "/v3/accounts/acme/clusters", { json });
  return startAgentCommand({
    SLIPWAY_API_URL: api.api_url,
    SLIPWAY_CLUSTER: "docker",
    SLIPWAY_AGENT_TOKEN: cluster.agent_token,
    SLIPWAY_SIGNING_SECRET: cluster.signing_secret,
    SLIPWAY_AGENT_STATE_DIR: stateDir,
    SLIPWAY_PORT: String(port),
    SLIPWAY_DOCKER_HOST: dockerHost,
  });
}

/**
 * Pushes `session-backend.ts` as images, one for each tag, which is its version. What they share, this machine's
 * Node, is not sent by docker, which would take seconds to compress it: they are built on an image that has it.
 * @returns the digests in the order of the tags. The engine has none of these images
 */
export async function pushSessionBackends(
  cluster: DockerCluster,
  tags: readonly string[],
): Promise<string[]> {
  const { api, repository } = cluster;
  const target = { apiUrl: api.api_url, account: "acme", service: "hello", token: api.token };
  await pushImage(target, nodeImage("", nodeLayer(await ownNode())), ["node"]);
  const files = { "main.cjs": { text: await bundleNodeProgram("test/support/session-backend.ts") } };
  const digests: string[] = [];
  for (const tag of tags) {
    const dockerfile = `FROM ${repository}:node\nCOPY main.cjs /app/main.cjs\nCMD ["main.cjs", "${tag}"]\n`;
    digests.push(await cluster.push(tag, dockerfile, files));
  }
  await cluster.docker("image", "rm", "--force", ...tags.map((tag) => `${repository}:${tag}`));
  return digests;
}

/** Pushes an image that has nothing but busybox. @returns its digest */
export function pushBusybox(
  cluster: DockerCluster,
  tag: string,
  command: readonly string[],
): Promise<string> {
  const dockerfile = `FROM scratch\nCOPY busybox /bin/busybox\nCMD ${JSON.stringify(command)}\n`;
  return cluster.push(tag, dockerfile, { busybox: { path: pathOf("busybox") ?? "" } });
}
