import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { LogFile } from "../log-file.ts";
import { type WorkerStart, workerAnswer } from "./messages.ts";

const program = fileURLToPath(new URL("./process.ts", import.meta.url));

export interface RunningWorker {
  /** Resolves when its process has ended, requested or not. */
  ended: Promise<void>;
  /** Stops it. Its storage is durable at any instant. */
  close(): Promise<void>;
}

/**
 * Runs the Worker on a port of 127.0.0.1, in a separate process. Rejects with the cause when it does not start.
 * @param log takes what it prints
 */
export async function startWorker(start: WorkerStart, log: LogFile): Promise<RunningWorker> {
  const child = spawn(process.execPath, [program], {
    // In another process group: Ctrl-C at the terminal reaches this process only, which stops the Worker last.
    detached: true,
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  for (const output of [child.stdout, child.stderr]) output?.on("data", (bytes: Buffer) => log.append(bytes));
  const ended = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
  const close = async () => {
    if (child.connected) child.disconnect();
    await ended;
  };
  try {
    await answered(child, start);
  } catch (error) {
    await close();
    throw error;
  }
  return { ended, close };
}

async function answered(child: ChildProcess, start: WorkerStart): Promise<void> {
  const over = new AbortController();
  const answer = once(child, "message", { signal: over.signal }).then(([message]) => {
    const parsed = workerAnswer.parse(message);
    if (parsed.type === "failed") throw new Error(`the Worker does not start: ${parsed.message}`);
  });
  const exit = once(child, "exit", { signal: over.signal }).then(([code, signal]) => {
    throw new Error(`the Worker's process ended before it was ready (${code ?? signal})`);
  });
  child.send(start);
  try {
    await Promise.race([answer, exit]);
  } finally {
    over.abort();
    await Promise.allSettled([answer, exit]);
  }
}
