import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import type { Agent } from "../agent/agent.ts";
import { hasCode } from "../agent/log.ts";
import { freePort } from "../agent/runtimes/free-port.ts";
import { demoAccount, ensureAccount } from "./account.ts";
import { clusterNames, startCluster } from "./clusters.ts";
import { untilDemoStarts } from "./demo/ready.ts";
import { seedDemo } from "./demo/seed.ts";
import { LogFile } from "./log-file.ts";
import { makeLoginLink } from "./login-link.ts";
import { chooseRuntime } from "./runtime-choice.ts";
import { writeJson } from "./state/files.ts";
import type { LocalJson } from "./state/local-json.ts";
import { lockFileWhenFree, lockStateDir, workerLockPath } from "./state/lock.ts";
import { openState } from "./state/state.ts";
import { startWorker } from "./worker/worker.ts";

/** A Worker ends within five seconds of its parent. */
const formerWorkerWaitMs = 15_000;

/** An agent is known to its cluster's services by its first heartbeat, or where that is slow, by one of the next. */
const agentsWaitMs = 30_000;

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
    const choosePort = () => (port === 0 ? freePort(new Set()) : requirePort(port));
    // Before anything is made. Where a start was killed, its Worker may have the port for a moment yet.
    const portOfFirstStart = existsSync(dir) ? null : await choosePort();
    await mkdir(dir, { recursive: true, mode: 0o700 });
    undo.push(await lockStateDir(dir));
    const lockPath = workerLockPath(dir);
    await formerWorkerEnded(lockPath, signal);
    const apiPort = portOfFirstStart ?? (await choosePort());
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
    const workerLog = new LogFile(join(logDir, "worker.log"));
    undo.push(async () => workerLog.close());
    const worker = await startWorker(
      { port: apiPort, storageDir: join(dir, "storage"), lockPath, descriptionPath, bindings },
      workerLog,
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
    await untilDemoStarts({ apiUrl, token }, AbortSignal.any([signal, AbortSignal.timeout(agentsWaitMs)]));

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

/** Resolves once no Worker of an earlier start uses the storage and the port any more. */
async function formerWorkerEnded(lockPath: string, signal: AbortSignal): Promise<void> {
  const tooLate = AbortSignal.timeout(formerWorkerWaitMs);
  try {
    const release = await lockFileWhenFree(lockPath, AbortSignal.any([signal, tooLate]));
    release();
  } catch (error) {
    if (!tooLate.aborted) throw error;
    throw new Error(`the Worker of an earlier start has not ended and still has ${lockPath}`);
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
