import Docker from "dockerode";
import { fail } from "../../../domain/result.ts";
import { type Log, messageOf } from "../../log.ts";
import type { RegistryCredentials } from "../../registry/authorization.ts";
import type { Runtime } from "../runtime.ts";
import { type OwnContainer, ownContainers, removeContainer } from "./containers.ts";
import { callEngine, refusalOf, retryPauses } from "./engine.ts";
import { exitOf } from "./exits.ts";
import { guardedEngine } from "./guarded-engine.ts";
import { engineImages } from "./images.ts";
import { containerLogs } from "./logs.ts";
import { backendNetwork, removeUnusedNetworks } from "./network.ts";
import { imagePuller } from "./pull.ts";
import { starter } from "./start.ts";
import { containerStats } from "./stats.ts";

export interface DockerRuntimeOptions {
  /** Where the engine is; where the docker CLI finds it (DOCKER_HOST, or the usual socket) if it is left out. */
  engine?: Docker.DockerOptions;
  /**
   * Which containers are this agent's, of all that the engine has: one agent's alone, and the same at each of its
   * starts. Letters, digits, `.`, `_` and `-`.
   */
  scope: string;
  /** For Slipway's own registry. */
  credentials: RegistryCredentials | null;
  /** The network that backends join, made where there is none of this name; one of the scope's own by default. */
  network?: string;
  /** Whether backends may write to nothing but `/tmp`, which is in memory, and their mount. */
  readOnly?: boolean;
  /** The folder whose subfolders backends may mount; without it there are no mounts. */
  mountBase?: string;
  log: Log;
}

const scopePattern = /^[a-z0-9][a-z0-9._-]{0,99}$/i;

/**
 * Runs each backend in a container of its own, through the Docker Engine's API. The engine publishes ports on its own
 * 127.0.0.1: it must be this machine's. Throws for an unusable scope.
 */
export function dockerRuntime(options: DockerRuntimeOptions): Runtime {
  const { scope, credentials, mountBase, log } = options;
  if (!scopePattern.test(scope))
    throw new Error(`\`${scope}\` cannot be in the names of networks and labels`);
  const docker = new Docker(options.engine);
  const containers = ownContainers(docker, scope);
  const pull = imagePuller({ docker, credentials });
  const network = options.network ?? `slipway-${scope}`;
  const guarded = guardedEngine(options.engine, scope);
  const start = starter({
    docker,
    scope,
    pull,
    containers,
    network: backendNetwork({ docker, name: network, scope }),
    mountBase,
    readOnly: options.readOnly ?? false,
    log,
  });
  /** Whose container may be `created` because it is about to be started. */
  const starting = new Set<string>();

  /** Removes what an interrupted start, or an end, has left, unless the engine has completed the start and it runs. */
  async function removeLeftover({ containerId, backendId }: OwnContainer): Promise<void> {
    try {
      // Not by force: the engine waits for a start in progress, and then refuses.
      await removeContainer(docker, containerId, false);
    } catch (error) {
      if (refusalOf(error)?.status === 409) return;
      log("docker.cleanup_failed", { backend_id: backendId, error: messageOf(error) });
    }
  }

  /** For readers of output: waits while the engine is unreachable. */
  async function findContainerId(backendId: string, signal: AbortSignal): Promise<string | null> {
    for (const pause = retryPauses(); !signal.aborted; await pause(signal)) {
      try {
        return (await containers.find(backendId))?.containerId ?? null;
      } catch (error) {
        log("docker.unreachable", { backend_id: backendId, error: messageOf(error) });
      }
    }
    return null;
  }

  return {
    fencing: { guarded, watchesLease: false },

    images: engineImages(docker, guarded !== null),

    pull,

    async start(spec) {
      // Its container would be taken for a leftover.
      if (starting.has(spec.backendId)) {
        return fail("already_exists", `backend \`${spec.backendId}\` is being started`);
      }
      starting.add(spec.backendId);
      try {
        return await start(spec);
      } finally {
        starting.delete(spec.backendId);
      }
    },

    async stop(backendId, kind) {
      const found = await containers.find(backendId);
      if (!found) return;
      try {
        const signal = kind === "soft" ? "SIGTERM" : "SIGKILL";
        await callEngine((abortSignal) =>
          docker.getContainer(found.containerId).kill({ signal, abortSignal }),
        );
      } catch (error) {
        const status = refusalOf(error)?.status;
        // It is gone, or it does not run.
        if (status !== 404 && status !== 409) throw error;
      }
    },

    async list() {
      const found = await containers.list();
      const unstarted = found.filter(
        ({ state, backendId }) => state === "created" && !starting.has(backendId),
      );
      await Promise.all(unstarted.map(removeLeftover));
      const all = unstarted.length === 0 ? found : await containers.list();
      return all
        .filter(({ state }) => state !== "created")
        .map(({ backendId, containerId, address }) => ({
          backendId,
          address,
          exited: exitOf(docker, containerId),
        }));
    },

    async remove(backendId) {
      const found = await containers.find(backendId);
      if (found) await removeContainer(docker, found.containerId, true);
    },

    async clear({ isKnown, isClosing = false }) {
      const left = (await containers.list()).filter(
        ({ state, backendId }) => state !== "running" && !starting.has(backendId) && !isKnown(backendId),
      );
      await Promise.all(left.map(removeLeftover));
      await removeUnusedNetworks(docker, scope, isClosing ? null : network);
    },

    async *logs(backendId, signal) {
      const containerId = await findContainerId(backendId, signal);
      if (containerId !== null) yield* containerLogs(docker, containerId, signal);
    },

    async *stats(backendId, signal) {
      const containerId = await findContainerId(backendId, signal);
      if (containerId !== null) yield* containerStats(docker, containerId, signal);
    },
  };
}
