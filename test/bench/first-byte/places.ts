import { setTimeout as pause } from "node:timers/promises";
import Docker from "dockerode";
import { startDockerEngine } from "../../support/docker/engine.ts";
import { whyNotWith } from "../../support/programs.ts";
import { program } from "./image.ts";

/** Where an agent's backends run. */
export interface Place extends AsyncDisposable {
  /** The agent's environment variables. */
  agentEnv: Readonly<Record<string, string>>;
  backendEnv: Readonly<Record<string, string>>;
  /** Resolves when ended backends are cleared away, so that they disturb no measurement. */
  cleared(): Promise<void>;
}

export const runtimes = ["process", "docker"] as const;
export type RuntimeName = (typeof runtimes)[number];

const pollMs = 20;

/** Why backends cannot run there; null where they can. */
export function whyNot(runtime: RuntimeName): string | null {
  return runtime === "docker" ? whyNotWith(program, "dockerd", "docker") : whyNotWith(program);
}

export function openPlace(runtime: RuntimeName): Promise<Place> {
  return runtime === "docker" ? openEngine() : openProcesses();
}

async function openProcesses(): Promise<Place> {
  return {
    agentEnv: { SLIPWAY_RUNTIME: "process" },
    backendEnv: { LISTEN_ON: "127.0.0.1:" },
    // A folder is removed before the end is reported.
    cleared: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** An engine of its own, whose ports are published by its proxy: it leaves the machine's firewall as it is. */
async function openEngine(): Promise<Place> {
  const engine = await startDockerEngine({ networking: true });
  const docker = new Docker({ socketPath: engine.socketPath });
  return {
    agentEnv: { SLIPWAY_RUNTIME: "docker", SLIPWAY_DOCKER_HOST: engine.env.DOCKER_HOST },
    backendEnv: {},
    async cleared() {
      while ((await docker.listContainers({ all: true })).length > 0) await pause(pollMs);
    },
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  };
}
