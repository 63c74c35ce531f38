import { join, resolve } from "node:path";
import { bootId } from "../../agent/control-plane/boot-id.ts";
import { leaseFileIn } from "../../agent/control-plane/lease-file.ts";
import { type Log, messageOf } from "../../agent/log.ts";
import { agentCredentials } from "../../agent/registry/authorization.ts";
import { registryClient } from "../../agent/registry/client.ts";
import { contentStore } from "../../agent/registry/content-store.ts";
import { type DockerRuntimeOptions, dockerRuntime } from "../../agent/runtimes/docker/docker.ts";
import { imageStore, sessionTrees } from "../../agent/runtimes/process/images/image-store.ts";
import { keptImages } from "../../agent/runtimes/process/images/kept-images.ts";
import type { WatchedLease } from "../../agent/runtimes/process/launch.ts";
import { processRuntime } from "../../agent/runtimes/process/process.ts";
import type { Runtime } from "../../agent/runtimes/runtime.ts";
import { done, type Outcome, requestFailure } from "../outcome.ts";

/** The runtime of an agent, with its settings. */
export type RuntimeChoice =
  | { kind: "process" }
  | ({ kind: "docker" } & Pick<DockerRuntimeOptions, "engine" | "network" | "readOnly" | "mountBase">);

export interface AgentRuntimeOptions {
  choice: RuntimeChoice;
  /** Images and processes are kept below it. */
  stateDir: string;
  /** Tells this agent's containers from all others of the engine: the same at each of its starts. */
  agentId: string;
  /** Where Slipway is, and the token that opens its registry. */
  apiUrl: string;
  agentToken: string;
  log: Log;
}

export interface AgentRuntime {
  runtime: Runtime;
  /**
   * For a process that exits at once: synchronously ends the backends that nothing else supervises. Containers are left
   * to their engine, and the next start adopts them.
   */
  leave(): void;
}

export function agentRuntime({
  choice,
  stateDir,
  agentId,
  log,
  ...slipway
}: AgentRuntimeOptions): AgentRuntime {
  const credentials = agentCredentials(slipway.apiUrl, slipway.agentToken);
  if (choice.kind === "docker") {
    const { kind: _kind, ...docker } = choice;
    return {
      runtime: dockerRuntime({ ...docker, scope: agentId, credentials, log }),
      leave: () => undefined,
    };
  }
  const content = contentStore(join(stateDir, "images"));
  const trees = sessionTrees(content);
  const runtime = processRuntime({
    images: imageStore({ content, registry: registryClient(credentials), trees }),
    keptImages: keptImages(content, trees),
    dir: join(stateDir, "processes"),
    lease: watchedLease(stateDir),
  });
  return { runtime, leave: () => runtime.killAll() };
}

/** What the shells of processes watch; null where there is no clock that a shell can read. */
function watchedLease(stateDir: string): WatchedLease | null {
  const boot = process.platform === "linux" ? bootId() : null;
  return boot === null ? null : { path: leaseFileIn(resolve(stateDir)), boot };
}

/** Fails, saying what is wrong, where a runtime needs a container engine and none answers. */
export async function requireEngine(choice: RuntimeChoice): Promise<Outcome<null>> {
  if (choice.kind !== "docker") return done(null);
  const { engine } = choice;
  const anything = { scope: "none", credentials: null, log: () => undefined };
  try {
    await dockerRuntime({ ...anything, ...(engine && { engine }) }).list();
    return done(null);
  } catch (error) {
    return requestFailure(
      `the container engine cannot be reached (${messageOf(error)}): start it, set DOCKER_HOST to where it is, or see that this user may use its socket`,
    );
  }
}
