import { randomUUID } from "node:crypto";
import type Docker from "dockerode";
import { backendIdPattern } from "../../../domain/ids.ts";
import { fail, ok, type Result } from "../../../domain/result.ts";
import { type Log, messageOf } from "../../log.ts";
import type { Started, StartSpec } from "../runtime.ts";
import { containerConfig, exposedPort, publishedHost } from "./container-config.ts";
import { type OwnContainers, removeContainer } from "./containers.ts";
import {
  answerWithinMs,
  callEngine,
  failureOf,
  neverReached,
  type Refusal,
  refusalOf,
  retryPauses,
} from "./engine.ts";
import { exitOf } from "./exits.ts";
import { containerLabels } from "./labels.ts";
import { prepareMount } from "./mount.ts";
import { engineReference, type ImagePuller } from "./pull.ts";

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

/** Starts a backend in a container of its name. A failure leaves no container, and waits for an unreachable engine. */
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
      return await callEngine((abortSignal) => {
        // Apart from each other, since dockerode would put all of it, secrets too, into the URL.
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
    if (spec.mayRun?.() === false) return fail("unavailable", "the lease ran out before it was started");
    await callEngine((abortSignal) => container.start({ abortSignal }));
    const { State, NetworkSettings } = await callEngine((abortSignal) => container.inspect({ abortSignal }));
    const port = Number(NetworkSettings.Ports[exposedPort(spec)]?.[0]?.HostPort ?? 0);
    // One that has ended already has no port any more, and needs none.
    if (port === 0 && State.Running) return fail("internal_error", "the container engine published no port");
    return ok({ address: { host: publishedHost, port }, exited: exitOf(docker, container.id) });
  }

  /**
   * Clears a backend's name of what an earlier agent had the engine make, before it was killed in the middle of a
   * start.
   * @returns whether the name is free, or may soon be: the engine goes on with a request whose client is gone
   */
  async function clearName(backendId: string): Promise<boolean> {
    const isMade = await isContainer(backendId);
    const left = await containers.find(backendId);
    if (!left) return !isMade;
    if (left.state !== "created") return false;
    await removeContainer(docker, left.containerId, false);
    return true;
  }

  /** Whether a name is that of a container: the engine gives a name away before it has made one. */
  async function isContainer(name: string): Promise<boolean> {
    try {
      await callEngine((abortSignal) => docker.getContainer(name).inspect({ abortSignal }));
      return true;
    } catch (error) {
      if (refusalOf(error)?.status === 404) return false;
      throw error;
    }
  }

  async function createUnderItsName(spec: StartSpec, start: string, mountPath: string | null) {
    const giveUpAt = performance.now() + answerWithinMs;
    for (const pause = retryPauses(); ; await pause()) {
      try {
        return await create(spec, start, mountPath);
      } catch (error) {
        const isTaken = refusalOf(error)?.status === 409;
        if (!isTaken || performance.now() > giveUpAt || !(await clearName(spec.backendId))) throw error;
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
    // Without a name, the engine would choose one at random.
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
      container = await createUnderItsName(spec, start, mount.value);
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
