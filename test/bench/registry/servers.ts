import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { freePort } from "../../../src/agent/runtimes/free-port.ts";
import { collectOutput, descendantsOf } from "../../support/process.ts";
import { account, service, startDeployment } from "../deployment.ts";
import type { Sandbox } from "../sandbox.ts";
import type { Repository } from "./client.ts";

/** A registry with nothing in it, in processes and on a state of its own; both are gone when it is disposed of. */
export interface RegistryServer extends AsyncDisposable {
  repository: Repository;
  /** The most memory that the process which serves has held so far; NaN where the system has no /proc. */
  peakBytes(): Promise<number>;
}

/** The program of Debian's package of that name: CNCF distribution. */
export const referenceProgram = "docker-registry";

const answersWithinMs = 20_000;
const pollMs = 50;

/** Slipway's registry. */
export async function startSlipway(sandbox: Sandbox): Promise<RegistryServer> {
  const { apiUrl, token, ...deployment } = await startDeployment(sandbox);
  const pid = await runtimeOf(process.pid);
  return {
    repository: {
      origin: apiUrl,
      name: `${account}/${service}`,
      authorization: `Basic ${Buffer.from(`${account}:${token}`).toString("base64")}`,
    },
    peakBytes: () => peakBytesOf(pid),
    [Symbol.asyncDispose]: () => deployment[Symbol.asyncDispose](),
  };
}

/** CNCF distribution on the file system. @throws with what it printed if it does not come to answer */
export async function startReference(sandbox: Sandbox): Promise<RegistryServer> {
  const dir = await mkdtemp(join(sandbox.dir, "reference-"));
  const port = await freePort(new Set());
  const origin = `http://127.0.0.1:${port}`;
  const configFile = join(dir, "config.json");
  await writeFile(configFile, JSON.stringify(referenceConfig(port, join(dir, "storage"))));
  const child = sandbox.own(
    spawn(referenceProgram, ["serve", configFile], { cwd: dir, stdio: ["ignore", "pipe", "pipe"] }),
  );
  const printed = collectOutput(child);
  const exited = once(child, "exit");
  const stop = async () => {
    child.kill("SIGKILL");
    await exited;
    await rm(dir, { recursive: true });
  };
  const giveUpAt = performance.now() + answersWithinMs;
  while (!(await answers(`${origin}/v2/`))) {
    if (child.exitCode !== null || performance.now() > giveUpAt) {
      await stop();
      throw new Error(`${referenceProgram} does not answer:\n${printed.output}`);
    }
    await pause(pollMs);
  }
  return {
    repository: { origin, name: `${account}/${service}` },
    peakBytes: () => peakBytesOf(child.pid),
    [Symbol.asyncDispose]: stop,
  };
}

/** As Debian's package has it, without its logs and its timers. YAML, which JSON is. */
function referenceConfig(port: number, rootdirectory: string) {
  return {
    version: "0.1",
    log: { level: "error", accesslog: { disabled: true } },
    storage: {
      filesystem: { rootdirectory },
      cache: { blobdescriptor: "inmemory" },
      delete: { enabled: true },
      maintenance: { uploadpurging: { enabled: false } },
    },
    http: { addr: `127.0.0.1:${port}` },
  };
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(answersWithinMs) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

/** The workerd below a process. Where the system has no /proc, none is found. */
async function runtimeOf(ancestor: number): Promise<number | undefined> {
  for (const pid of await descendantsOf(ancestor)) {
    const name = await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "");
    if (name.trim() === "workerd") return pid;
  }
  return undefined;
}

/** proc_pid_status(5): `VmHWM` is the peak resident set size in KiB. */
async function peakBytesOf(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) * 1024;
}
