import type Docker from "dockerode";
import { sharedWork } from "../shared-work.ts";
import { callEngine, refusalOf } from "./engine.ts";
import { labelNames } from "./labels.ts";

/**
 * Provides the network that an agent's backends are in, made when it is first needed: they reach the world through it,
 * and not each other. @returns its id. Rejects where the engine does not make it
 */
export function backendNetwork(options: {
  docker: Docker;
  name: string;
  scope: string;
}): () => Promise<string> {
  const { docker, name, scope } = options;
  const shared = sharedWork<string>();

  async function find(): Promise<string | null> {
    try {
      return (await callEngine(() => docker.getNetwork(name).inspect())).Id;
    } catch (error) {
      if (refusalOf(error)?.status === 404) return null;
      throw error;
    }
  }

  async function make(): Promise<string> {
    try {
      const network = await callEngine((abortSignal) =>
        docker.createNetwork({
          Name: name,
          // Names of networks are not unique by themselves.
          CheckDuplicate: true,
          Driver: "bridge",
          Options: { "com.docker.network.bridge.enable_icc": "false" },
          Labels: { [labelNames.scope]: scope },
          abortSignal,
        }),
      );
      return network.id;
    } catch (error) {
      const madeByAnother = refusalOf(error)?.status === 409 ? await find() : null;
      if (madeByAnother === null) throw error;
      return madeByAnother;
    }
  }

  // Looked up for each start: a network can be removed while no container is in it.
  return () => shared(name, new AbortController().signal, async () => (await find()) ?? make());
}

/**
 * Removes the networks that an agent has made and no container is in; others stay, whoever made them.
 * @param inUse the name of one that stays in any case, null for none
 */
export async function removeUnusedNetworks(
  docker: Docker,
  scope: string,
  inUse: string | null,
): Promise<void> {
  const label = [`${labelNames.scope}=${scope}`];
  const made = await callEngine((abortSignal) => docker.listNetworks({ filters: { label }, abortSignal }));
  for (const { Id, Name } of made) {
    if (Name === inUse) continue;
    try {
      await callEngine(() => docker.getNetwork(Id).remove());
    } catch (error) {
      const status = refusalOf(error)?.status;
      // It is gone, or a container is in it.
      if (status !== 404 && status !== 403 && status !== 409) throw error;
    }
  }
}
