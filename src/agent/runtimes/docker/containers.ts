import type Docker from "dockerode";
import type { Address } from "../runtime.ts";
import { publishedHost } from "./container-config.ts";
import { callEngine, refusalOf } from "./engine.ts";
import { labelNames } from "./labels.ts";

export interface OwnContainer {
  containerId: string;
  backendId: string;
  /** `created` was never started. */
  state: "created" | "running" | "ended";
  /** Its port is 0 where none is published, which is so once it has ended. */
  address: Address;
}

/** Those containers of an engine that have an agent's label: nothing else is ever touched. */
export interface OwnContainers {
  list(): Promise<OwnContainer[]>;
  /** By its backend, whatever the container's name. */
  find(backendId: string): Promise<OwnContainer | null>;
  /** What one start made. */
  findByStart(start: string): Promise<OwnContainer | null>;
}

export function ownContainers(docker: Docker, scope: string): OwnContainers {
  async function select(labels: Record<string, string>): Promise<OwnContainer[]> {
    const label = Object.entries({ [labelNames.scope]: scope, ...labels }).map((pair) => pair.join("="));
    const found = await callEngine((abortSignal) =>
      docker.listContainers({ all: true, filters: { label }, abortSignal }),
    );
    return found.map(ownContainer);
  }
  return {
    list: () => select({}),
    find: async (backendId) => (await select({ [labelNames.backend]: backendId }))[0] ?? null,
    findByStart: async (start) => (await select({ [labelNames.start]: start }))[0] ?? null,
  };
}

function ownContainer({ Id, Labels, State, Ports }: Docker.ContainerInfo): OwnContainer {
  const isLive = State === "running" || State === "paused" || State === "restarting";
  return {
    containerId: Id,
    backendId: Labels[labelNames.backend] ?? "",
    state: isLive ? "running" : State === "created" ? "created" : "ended",
    address: { host: publishedHost, port: Ports.find(({ IP }) => IP === publishedHost)?.PublicPort ?? 0 },
  };
}

/** Removes a container with what is its own. Harmless where it is gone or going. @param force even if it runs */
export async function removeContainer(docker: Docker, containerId: string, force: boolean): Promise<void> {
  try {
    await callEngine(() => docker.getContainer(containerId).remove({ force, v: true }));
  } catch (error) {
    const refusal = refusalOf(error);
    const isGoing = refusal?.status === 409 && /in progress/.test(refusal.message);
    if (refusal?.status !== 404 && !isGoing) throw error;
  }
}
