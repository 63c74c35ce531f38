import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort } from "../../../src/agent/runtimes/free-port.ts";
import { descendantsOf } from "../../support/process.ts";
import { account, service, startDeployment } from "../deployment.ts";
import { startReferenceProgram } from "../reference-program.ts";
import type { Sandbox } from "../sandbox.ts";
import type { Repository } from "./client.ts";

/** A registry with nothing in it, in separate processes with a new state; both are removed when it is disposed of. */
export interface RegistryServer extends AsyncDisposable {
  repository: Repository;
  /** The most memory that the process which serves has held so far; NaN where the system has no /proc. */
  peakBytes(): Promise<number>;
}

/** The program of Debian's package of that name: CNCF distribution. */
export const referenceProgram = "docker-registry";

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

/** CNCF distribution on the file system. @throws with what it printed if it does not start to answer */
export async function startReference(sandbox: Sandbox): Promise<RegistryServer> {
  const dir = await mkdtemp(join(sandbox.dir, "reference-"));
  const port = await freePort(new Set());
  const origin = `http://127.0.0.1:${port}`;
  const configFile = join(dir, "config.json");
  await writeFile(configFile, JSON.stringify(referenceConfig(port, join(dir, "storage"))));
  const reference = await startReferenceProgram(sandbox, {
    program: referenceProgram,
    args: ["serve", configFile],
    dir,
    url: `${origin}/v2/`,
  });
  return {
    repository: { origin, name: `${account}/${service}` },
    peakBytes: () => peakBytesOf(reference.pid),
    [Symbol.asyncDispose]: () => reference[Symbol.asyncDispose](),
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
