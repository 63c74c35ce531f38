import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { freePort } from "../../../src/agent/runtimes/free-port.ts";
import type { BackendStatus } from "../../../src/domain/backends/status.ts";
import { createdCluster } from "../../../src/protocol/v3/clusters.ts";
import { collectOutput } from "../../support/process.ts";
import { account, type Deployment } from "../deployment.ts";
import type { Sandbox } from "../sandbox.ts";
import { call } from "../subject.ts";

/** `slipway agent` in a separate process. It ends, and its backends do, when it is disposed of. */
export interface BenchAgent extends AsyncDisposable {
  /**
   * Resolves when the agent has logged that a backend's spawn was received or that it has reached a status, to when
   * that was: milliseconds since the epoch. Rejects if the agent ends.
   */
  loggedAt(backendId: string, what: "spawned" | BackendStatus): Promise<number>;
}

const main = fileURLToPath(new URL("../../../src/cli/main.ts", import.meta.url));
const logLine = z.object({
  time: z.iso.datetime(),
  event: z.string(),
  backend_id: z.string().optional(),
  status: z.string().optional(),
});

/** Registers the account's only cluster and starts its agent. @param env the variables of its runtime */
export async function startAgent(
  sandbox: Sandbox,
  { apiUrl, token }: Deployment,
  env: Readonly<Record<string, string>>,
): Promise<BenchAgent> {
  const stateDir = await mkdtemp(join(sandbox.dir, "agent-"));
  const port = await freePort(new Set());
  const url = `http://127.0.0.1:${port}`;
  const cluster = await call(createdCluster, apiUrl, token, "POST", `/v3/accounts/${account}/clusters`, {
    name: "agent",
    webhook_url: `${url}/webhook`,
    backend_url_template: `${url}/{backend_id}`,
  });
  const child = spawn(process.execPath, [main, "agent"], {
    env: {
      PATH: process.env.PATH,
      SLIPWAY_API_URL: apiUrl,
      SLIPWAY_CLUSTER: "agent",
      SLIPWAY_AGENT_TOKEN: cluster.agent_token,
      SLIPWAY_SIGNING_SECRET: cluster.signing_secret,
      SLIPWAY_AGENT_STATE_DIR: stateDir,
      SLIPWAY_PORT: String(port),
      ...env,
    },
    stdio: ["ignore", "pipe", "pipe"],
    // Another process group gets no Ctrl-C: it is signalled once, and ends its backends.
    detached: true,
  });
  const requestEnd = () => void child.kill("SIGTERM");
  process.prependOnceListener("exit", requestEnd);
  const printed = collectOutput(child);
  const ended = once(child, "close");

  const serving = Promise.withResolvers<void>();
  const awaited = new Map<string, PromiseWithResolvers<number>>();
  function momentOf(backendId: string, what: string): PromiseWithResolvers<number> {
    const key = `${backendId} ${what}`;
    const known = awaited.get(key) ?? Promise.withResolvers<number>();
    awaited.set(key, known);
    return known;
  }
  createInterface({ input: child.stdout }).on("line", (line) => {
    const { time, event, backend_id: id = "", status = "" } = logLine.parse(JSON.parse(line));
    if (event === "agent.started") serving.resolve();
    if (event === "backend.spawned") momentOf(id, "spawned").resolve(Date.parse(time));
    if (event === "backend.status") momentOf(id, status).resolve(Date.parse(time));
  });
  const failed = ended.then((): never => {
    throw new Error(`slipway agent ended:\n${printed.output}`);
  });
  failed.catch(() => undefined);

  const stop = async () => {
    process.off("exit", requestEnd);
    requestEnd();
    await ended;
    await rm(stateDir, { recursive: true });
  };
  try {
    await Promise.race([serving.promise, failed]);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    loggedAt: (backendId, what) => Promise.race([momentOf(backendId, what).promise, failed]),
    [Symbol.asyncDispose]: stop,
  };
}
