import { spawn } from "node:child_process";
import { once } from "node:events";
import { openSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";
import { vi } from "vitest";
import { z } from "zod";
import { freePort } from "../../../src/agent/runtimes/free-port.ts";
import type { LocalJson } from "../../../src/local/state/local-json.ts";
import { createdCluster } from "../../../src/protocol/v3/clusters.ts";
import { environment } from "../../../src/protocol/v3/services.ts";
import { call } from "../api.ts";
import { collectOutput, descendantsOf, programEnv } from "../process.ts";

const main = fileURLToPath(new URL("../../../src/cli/main.ts", import.meta.url));
const logLine = z.looseObject({ time: z.string(), event: z.string() });

/** The variables that `slipway agent` needs for a cluster. */
export interface AgentEnvironment {
  SLIPWAY_API_URL: string;
  SLIPWAY_CLUSTER: string;
  SLIPWAY_AGENT_TOKEN: string;
  SLIPWAY_SIGNING_SECRET: string;
  SLIPWAY_AGENT_STATE_DIR: string;
  SLIPWAY_PORT: string;
}

/** `slipway agent` in a process of its own. */
export interface AgentCommand extends AsyncDisposable {
  url: string;
  /** What it has logged so far. */
  events(): z.infer<typeof logLine>[];
  printed(): string;
  health(): Promise<{ status: number; body: unknown }>;
  /** The ids of all processes that it has started, but for its guards. */
  children(): Promise<number[]>;
  isRunning(): boolean;
  signal(signal: NodeJS.Signals): void;
  /** Resolves at its end. */
  ended: Promise<{ exitCode: number | null; stderr: string }>;
}

/** Registers a cluster of the demo account, with an environment of the demo service that spawns into it. */
export async function createCluster(
  local: LocalJson,
  name: string,
  stateDir: string,
): Promise<AgentEnvironment> {
  const port = await freePort(new Set());
  const url = `http://127.0.0.1:${port}`;
  const account = `/v3/accounts/${local.account}`;
  const { signing_secret, agent_token } = await call(local, createdCluster, `${account}/clusters`, {
    json: { name, webhook_url: `${url}/webhook`, backend_url_template: `${url}/{backend_id}` },
  });
  await call(local, environment, `${account}/services/hello-world/environments`, {
    json: { name, cluster: name, image: "v1" },
  });
  return {
    SLIPWAY_API_URL: local.api_url,
    SLIPWAY_CLUSTER: name,
    SLIPWAY_AGENT_TOKEN: agent_token,
    SLIPWAY_SIGNING_SECRET: signing_secret,
    SLIPWAY_AGENT_STATE_DIR: stateDir,
    SLIPWAY_PORT: String(port),
  };
}

/**
 * Starts an agent and waits until it serves. Fails, with what it printed, where it ends before.
 * @param log the file that its log goes to, which then says nothing here
 */
export async function startAgentCommand(
  env: AgentEnvironment & Record<string, string>,
  log?: string,
): Promise<AgentCommand> {
  const child = spawn(process.execPath, [main, "agent"], {
    env: { ...programEnv, ...env },
    stdio: ["ignore", log === undefined ? "pipe" : openSync(log, "a"), "pipe"],
    // A group of its own gets no Ctrl-C that ends the tests.
    detached: true,
  });
  const kill = () => void child.kill("SIGKILL");
  process.once("exit", kill);
  const printed = collectOutput(child);
  const ended = once(child, "close").then(([exitCode]) => {
    process.off("exit", kill);
    return { exitCode, stderr: stripVTControlCharacters(printed.stderr) };
  });
  const isRunning = () => child.exitCode === null && child.signalCode === null;
  const events = () => {
    const lines = printed.stdout.split("\n").slice(0, -1);
    return lines.map((line) => logLine.parse(JSON.parse(line)));
  };
  const url = `http://127.0.0.1:${env.SLIPWAY_PORT}`;
  const isServing = async () =>
    !isRunning() ||
    (log === undefined
      ? events().some(({ event }) => event === "agent.started")
      : await answers(`${url}/healthz`));
  await vi.waitUntil(isServing, { timeout: 60_000 });
  if (!isRunning()) throw new Error(`slipway agent ended: ${printed.output}`);
  return {
    url,
    events,
    printed: () => printed.output,
    async health() {
      const response = await fetch(`${url}/healthz`);
      return { status: response.status, body: await response.json() };
    },
    async children() {
      const guards = events().flatMap(({ event, pid }) => (event === "guard.started" ? [pid] : []));
      return (await descendantsOf(child.pid ?? 0)).filter((pid) => !guards.includes(pid));
    },
    isRunning,
    signal: (signal) => void child.kill(signal),
    ended,
    async [Symbol.asyncDispose]() {
      if (isRunning()) child.kill("SIGTERM");
      await ended;
    },
  };
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false;
  }
}
