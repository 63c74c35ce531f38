import { randomUUID } from "node:crypto";
import type Docker from "dockerode";
import { backendIdPattern } from "../../../domain/ids.ts";
import { fail, ok, type Result } from "../../../domain/result.ts";
import { type Log, messageOf } from "../../log.ts";
import type { Started, StartSpec } from "../../runtime.ts";
import { containerConfig, exposedPort } from "./container-config.ts";
import { type OwnContainers, removeContainer } from "./containers.ts";
import {
  answerWithinMs,
  ask,
  failureOf,
  neverReached,
  type Refusal,
  refusalOf,
  retryPauses,
} from "./engine.ts";
import { exitOf } from "./exits.ts";
import { containerLabels, isOfBackend } from "./labels.ts";
import { prepareMount } from "./mount.ts";
import { engineReference, type ImagePuller } from "./pull.ts";

type Inspected = Docker.ContainerInspectInfo;

export interface StarterOptions {
  docker: Docker;
  scope: string;
  pull: ImagePuller;
  containers: OwnContainers;
  /** @returns the network's id */
  network: () => Promise<string>;
  mountBase: string | undefined;
  readOnly: boolean;
  log: Log;
}

/** Starts a backend in a container of its name. What fails leaves no container: where the engine is away, it waits. */
export function starter(options: StarterOptions): (spec: StartSpec) => Promise<Result<Started>> {
  const { docker, scope, containers, log } = options;
  let canLimitDisk = true;

  async function create(spec: StartSpec, start: string, mountPath: string | null): Promise<Docker.Container> {
    const config = containerConfig({
      spec,
      image: engineReference(spec.image),
      labels: containerLabels({ scope, backend: spec.backendId, start }, spec.labels),
      networkId: await options.network(),
      mountPath,
      readOnly: options.readOnly,
      limitDisk: canLimitDisk,
    });
    try {
      return await ask((abortSignal) => {
        // Said apart, since dockerode would write the whole of it, secrets too, into the address.
        const request = {
          name: spec.backendId,
          _query: { name: spec.backendId },
          _body: config,
          abortSignal,
        };
        return docker.createContainer(request);
      });
    } catch (error) {
      const limitedDisk = config.HostConfig?.StorageOpt !== undefined;
      if (!limitedDisk || !isDiskLimitRefusal(refusalOf(error))) throw error;
      if (canLimitDisk) log("docker.disk_limits_ignored", { reason: refusalOf(error)?.message });
      canLimitDisk = false;
      return create(spec, start, mountPath);
    }
  }

  async function launch(spec: StartSpec, container: Docker.Container): Promise<Result<Started>> {
    await ask((abortSignal) => container.start({ abortSignal }));
    return startedFrom(spec, await ask((abortSignal) => container.inspect({ abortSignal })));
  }

  function startedFrom(spec: StartSpec, { Id, State, NetworkSettings }: Inspected): Result<Started> {
    const port = Number(NetworkSettings.Ports[exposedPort(spec)]?.[0]?.HostPort ?? 0);
    // One that has ended already has no port any more, and needs none.
    if (port === 0 && State.Running) return fail("internal_error", "the container engine published no port");
    return ok({ port, exited: exitOf(docker, Id) });
  }

  /**
   * Clears a backend's name of what an earlier agent, killed in the middle of a start, has asked the engine for and the
   * engine went on with.
   * @returns the backend, where that start went through; null where the name may be free now
   */
  async function clearName(spec: StartSpec, refused: unknown): Promise<Result<Started> | null> {
    let named: Inspected;
    try {
      named = await ask((abortSignal) => docker.getContainer(spec.backendId).inspect({ abortSignal }));
    } catch (error) {
      // It has the name, and is still being made.
      if (refusalOf(error)?.status === 404) return null;
      throw error;
    }
    if (!isOfBackend(named.Config.Labels, scope, spec.backendId)) return startFailure(spec, refused);
    if (named.State.Status !== "created") return startedFrom(spec, named);
    try {
      await removeContainer(docker, named.Id, false);
    } catch (error) {
      // Its start was under way, and went through.
      if (refusalOf(error)?.status !== 409) throw error;
    }
    return null;
  }

  /** @returns a container to be started, or what an earlier agent has started of the same backend */
  async function createOrFind(
    spec: StartSpec,
    start: string,
    mountPath: string | null,
  ): Promise<Docker.Container | Result<Started>> {
    const giveUpAt = performance.now() + answerWithinMs;
    for (const pause = retryPauses(); ; await pause()) {
      try {
        return await create(spec, start, mountPath);
      } catch (error) {
        if (refusalOf(error)?.status !== 409 || performance.now() > giveUpAt) throw error;
        const found = await clearName(spec, error);
        if (found) return found;
      }
    }
  }

  /** Resolves once nothing is left of a start, however long the engine is away. */
  async function clear(spec: StartSpec, start: string): Promise<void> {
    for (const pause = retryPauses(); ; await pause()) {
      try {
        const left = await containers.findByStart(start);
        if (!left) return;
        await removeContainer(docker, left.containerId, true);
      } catch (error) {
        log("docker.cleanup_failed", { backend_id: spec.backendId, error: messageOf(error) });
      }
    }
  }

  return async (spec) => {
    // The engine names what has no name by chance.
    if (!backendIdPattern.test(spec.backendId)) {
      return fail("bad_request", `\`${spec.backendId}\` is not the id of a backend`);
    }
    const pulled = await options.pull(spec.image, new AbortController().signal);
    if (!pulled.ok) return pulled;
    const mount = await prepareMount(options.mountBase, spec);
    if (!mount.ok) return mount;
    const start = randomUUID();
    let container: Docker.Container;
    try {
      const made = await createOrFind(spec, start, mount.value);
      if ("ok" in made) return made;
      container = made;
    } catch (error) {
      if (!neverReached(error)) await clear(spec, start);
      return startFailure(spec, error);
    }
    try {
      const launched = await launch(spec, container);
      if (!launched.ok) await clear(spec, start);
      return launched;
    } catch (error) {
      await clear(spec, start);
      return startFailure(spec, error);
    }
  };
}

function startFailure(spec: StartSpec, error: unknown): Result<never> {
  const refusal = refusalOf(error);
  return refusal?.status === 409
    ? fail("already_exists", `backend \`${spec.backendId}\` is not started: ${refusal.message}`)
    : failureOf(`image \`${engineReference(spec.image)}\` cannot be started`, error);
}

/** Most engines hold no limit of a container's disk: it takes a file system with project quotas. */
function isDiskLimitRefusal(refusal: Refusal | null): boolean {
  return refusal !== null && /storage-opt|quota/i.test(refusal.message);
}
