import { randomUUID } from "node:crypto";
import { agentCredentials } from "../../../src/agent/registry/authorization.ts";
import { type DockerRuntimeOptions, dockerRuntime } from "../../../src/agent/runtimes/docker/docker.ts";
import type { Runtime, RuntimeImage, Started, StartSpec } from "../../../src/agent/runtimes/runtime.ts";
import { createdCluster } from "../../../src/protocol/v3/clusters.ts";
import type { RuntimePlace } from "../../agent/runtimes/subject.ts";
import { call } from "../api.ts";
import { makeFolder } from "../folder.ts";
import { type RegistryDeployment, startRegistryDeployment } from "../registry/deployment.ts";
import { type Docker, type DockerEngine, type DockerEngineOptions, startDockerEngine } from "./engine.ts";
import { type DockerImageName, pushRuntimeImages } from "./runtime-images.ts";

/** An engine of its own, and images in Slipway's registry that an agent's token opens. */
export interface DockerPlaces extends AsyncDisposable {
  engine: DockerEngine;
  deployment: RegistryDeployment;
  docker: Docker;
  images: Record<DockerImageName, RuntimeImage>;
  agentToken: string;
  /** A scope of its own. @param options of its runtimes */
  makePlace(options?: Partial<DockerRuntimeOptions>): Promise<DockerPlace>;
  /** What the engine holds of a container, a value of its own API. @param template a path, as docker takes it */
  inspect(container: string, template: string): Promise<unknown>;
  /** The containers of a scope, whatever their state. */
  containersOf(scope: string): Promise<string[]>;
}

let ids = 0;

/** What starts an image, under an id that no other backend of this file has. */
export function startSpec(image: RuntimeImage, changes: Partial<StartSpec> = {}): StartSpec {
  const unset = { resources: undefined, mount: undefined, port: undefined };
  const backendId = `d0ck3${String(++ids).padStart(8, "0")}`;
  return { backendId, image, env: {}, labels: {}, ...unset, ...changes };
}

export async function startBackend(runtime: Runtime, spec: StartSpec): Promise<Started & { id: string }> {
  const started = await runtime.start(spec);
  if (!started.ok) throw new Error(started.error.message);
  return { id: spec.backendId, ...started.value };
}

export interface DockerPlace extends RuntimePlace {
  scope: string;
  open(): ReturnType<typeof dockerRuntime>;
  /** What its runtimes said. */
  events: { event: string; fields: Readonly<Record<string, unknown>> }[];
}

export async function startDockerPlaces(engineOptions: DockerEngineOptions = {}): Promise<DockerPlaces> {
  await using stack = new AsyncDisposableStack();
  const home = stack.use(await makeFolder()).path;
  const deployment = stack.use(await startRegistryDeployment());
  const engine = stack.use(await startDockerEngine({ networking: true, ...engineOptions }));
  const docker = engine.dockerOf(home);
  await deployment.createService("hello");
  const { api_url: apiUrl, token } = deployment.api;
  const images = await pushRuntimeImages(
    { apiUrl, account: "acme", service: "hello", token },
    `${home}/images`,
  );
  const { agent_token: agentToken } = await call(
    deployment.api,
    createdCluster,
    "/v3/accounts/acme/clusters",
    {
      json: {
        name: "docker",
        webhook_url: "http://127.0.0.1:9/webhook",
        backend_url_template: "http://127.0.0.1:9/{backend_id}",
      },
    },
  );
  const credentials = agentCredentials(apiUrl, agentToken);
  const started = stack.move();

  return {
    engine,
    deployment,
    docker,
    images,
    agentToken,
    async makePlace(options) {
      const scope = `test-${randomUUID()}`;
      const events: DockerPlace["events"] = [];
      const open = () =>
        dockerRuntime({
          engine: { socketPath: engine.socketPath },
          scope,
          credentials,
          log: (event, fields = {}) => events.push({ event, fields }),
          ...options,
        });
      return {
        scope,
        open,
        events,
        async labelsOf(backendId) {
          const { stdout } = await docker("inspect", "--format", "{{json .Config.Labels}}", backendId);
          const labels: Record<string, string> = JSON.parse(stdout);
          const prefix = "dev.slipway.";
          return Object.fromEntries(
            Object.entries(labels).map(([name, value]) => [name.slice(prefix.length), value]),
          );
        },
        async [Symbol.asyncDispose]() {
          const runtime = open();
          for (const { backendId } of await runtime.list()) await runtime.remove(backendId);
          await docker("network", "rm", `slipway-${scope}`);
        },
      };
    },
    async inspect(container, template) {
      const shown = await docker("inspect", "--format", `{{json ${template}}}`, container);
      if (shown.exitCode !== 0) throw new Error(shown.output);
      return JSON.parse(shown.stdout);
    },
    async containersOf(scope) {
      const filter = `label=dev.slipway.scope=${scope}`;
      const { stdout } = await docker("ps", "--all", "--quiet", "--no-trunc", "--filter", filter);
      return stdout.split("\n").filter((id) => id !== "");
    },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}
