import { mkdir, open, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import type { Agent } from "../agent/agent.ts";
import { hasCode } from "../agent/log.ts";
import { freePort } from "../agent/runtimes/free-port.ts";
import { demoAccount, ensureAccount } from "./account.ts";
import { clusterNames, startCluster } from "./clusters.ts";
import { seedDemo } from "./demo/seed.ts";
import { makeLoginLink } from "./login-link.ts";
import { chooseRuntime } from "./runtime-choice.ts";
import { writeJson } from "./state/files.ts";
import type { LocalJson } from "./state/local-json.ts";
import { lockStateDir } from "./state/lock.ts";
import { openState } from "./state/state.ts";
import { startWorker } from "./worker/worker.ts";

export interface LocalOptions {
  /** 0 takes a free one. */
  port: number;
  stateDir: string;
  runtime: "process" | "docker";
  /** Called for each agent with a function that ends its backends at once, for a process that cannot wait. */
  onRuntime: (leave: () => void) => void;
  /** Aborted to cancel the start: it then rejects once all that it had started has stopped. */
  signal: AbortSignal;
}

export interface LocalDeployment {
  description: LocalJson;
  /** Logs in to the dashboard, once. Printed only: a reader of `local.json` has the token. */
  loginUrl: string;
  /** Resolves when the Worker has ended, requested or not. */
  workerEnded: Promise<void>;
  /** Ends every backend and stops everything. */
  close(): Promise<void>;
}

/** Starts the whole system on this machine, and writes `local.json` once it is ready. */
export async function startLocal({
  port,
  stateDir,
  signal,
  ...options
}: LocalOptions): Promise<LocalDeployment> {
  const dir = resolve(stateDir);
  const descriptionPath = join(dir, "local.json");
  const undo: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const stop of undo.splice(0).reverse()) await stop();
  };

  try {
    const runtime = await chooseRuntime(options.runtime);
    const apiPort = port === 0 ? await freePort(new Set()) : await requirePort(port);
    await mkdir(dir, { recursive: true, mode: 0o700 });
    undo.push(await lockStateDir(dir));
    await rm(descriptionPath, { force: true });
    const file = await openState(dir);
    const { root_token, signing_keys } = file.state;
    const logDir = join(dir, "logs");
    await mkdir(logDir, { recursive: true });

    signal.throwIfAborted();
    const apiUrl = `http://127.0.0.1:${apiPort}`;
    const bindings = {
      ROOT_TOKEN: root_token,
      SIGNING_KEYS: JSON.stringify(signing_keys),
      API_URL: apiUrl,
      ALLOW_PRIVATE_CLUSTERS: "true",
    };
    const workerLog = await open(join(logDir, "worker.log"), "a", 0o600);
    undo.push(() => workerLog.close());
    const worker = await startWorker(
      { port: apiPort, storageDir: join(dir, "storage"), bindings },
      workerLog.fd,
    );
    undo.push(() => worker.close());

    signal.throwIfAborted();
    const token = await ensureAccount(apiUrl, file);
    const agentsDir = join(dir, "agents");
    const agents: Record<string, Agent> = {};
    undo.push(async () => {
      await Promise.all(Object.values(agents).map((agent) => agent.close()));
    });
    for (const name of Object.values(clusterNames)) {
      signal.throwIfAborted();
      agents[name] = await startCluster(
        { ...options, apiUrl, token, file, agentsDir, logDir, runtime },
        name,
      );
    }
    await seedDemo({ apiUrl, token, runtime: runtime.kind, file });

    signal.throwIfAborted();
    const description: LocalJson = {
      api_url: apiUrl,
      account: demoAccount,
      token,
      root_token,
      dashboard_url: `${apiUrl}/`,
      clusters: Object.entries(agents).map(([name, { url }]) => ({ name, agent_url: url })),
      pid: process.pid,
    };
    const loginUrl = await makeLoginLink(apiUrl, token);
    undo.push(() => rm(descriptionPath, { force: true }));
    await writeJson(descriptionPath, description);
    return { description, loginUrl, workerEnded: worker.ended, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The port, where it is free on 127.0.0.1. Rejects, with what to do, where something listens on it. */
async function requirePort(port: number): Promise<number> {
  const server = createServer();
  try {
    await new Promise<void>((done, failed) => {
      server.once("error", failed);
      server.listen({ port, host: "127.0.0.1", exclusive: true }, done);
    });
  } catch (error) {
    if (!hasCode(error, "EADDRINUSE") && !hasCode(error, "EACCES")) throw error;
    const why = hasCode(error, "EACCES") ? "may not be listened on by this user" : "is taken";
    throw new Error(`port ${port} ${why}: name another one with --port (0 takes any free one)`);
  }
  await new Promise<void>((done) => server.close(() => done()));
  return port;
}
