import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { freePort } from "../../../src/agent/runtimes/free-port.ts";
import { type WorkerStart, workerAnswer } from "../../../src/local/worker/messages.ts";
import { makeSigningKeys } from "../../../src/protocol/tokens/signing-keys.ts";

const program = fileURLToPath(new URL("../../../src/local/worker/process.ts", import.meta.url));

/** The Worker in a process group of its own, which can be killed at any instant and started again on its storage. */
export interface KillableWorker extends AsyncDisposable {
  apiUrl: string;
  rootToken: string;
  start(): Promise<void>;
  /** SIGKILL, to the runtime and everything around it. Resolves when it is gone. */
  kill(): Promise<void>;
}

/** @param bindings of the Worker, where they are not to be the usual ones */
export async function killableWorker(
  storageDir: string,
  bindings: Record<string, string> = {},
): Promise<KillableWorker> {
  const port = await freePort(new Set());
  const rootToken = "root.of-the-tests";
  const apiUrl = `http://127.0.0.1:${port}`;
  const message: WorkerStart = {
    port,
    storageDir,
    lockPath: `${storageDir}.lock`,
    descriptionPath: `${storageDir}.json`,
    bindings: {
      ROOT_TOKEN: rootToken,
      SIGNING_KEYS: JSON.stringify(await makeSigningKeys()),
      API_URL: apiUrl,
      ALLOW_PRIVATE_CLUSTERS: "true",
      ...bindings,
    },
  };
  let group: number | null = null;
  let gone: Promise<unknown> = Promise.resolve();

  async function kill(): Promise<void> {
    if (group !== null) process.kill(-group, "SIGKILL");
    group = null;
    await gone;
  }

  return {
    apiUrl,
    rootToken,
    async start() {
      const child = spawn(process.execPath, [program], {
        detached: true,
        stdio: ["ignore", "ignore", "inherit", "ipc"],
      });
      group = child.pid ?? null;
      gone = once(child, "exit");
      child.send(message);
      const [answer] = await once(child, "message");
      const started = workerAnswer.parse(answer);
      if (started.type === "failed") throw new Error(started.message);
    },
    kill,
    [Symbol.asyncDispose]: kill,
  };
}
