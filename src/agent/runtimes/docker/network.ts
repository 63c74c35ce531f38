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
