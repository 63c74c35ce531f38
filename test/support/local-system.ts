import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { vi } from "vitest";
import { type LocalJson, localJson } from "../../src/local/state/local-json.ts";
import { collectOutput, descendantsOf, type Ended, run } from "./process.ts";

const repository = fileURLToPath(new URL("../..", import.meta.url));
const main = join(repository, "src/local/main.ts");

type Command = readonly [string, ...string[]];
export const nodeCommand: Command = [process.execPath, main];
export const npmCommand: Command = ["npm", "start", "--"];

/** A deployment that `npm start` runs, in a process of its own. */
export interface LocalSystem extends AsyncDisposable {
  /** What its `local.json` says. */
  local: LocalJson;
  stateDir: string;
  /** What it has printed so far. */
  screen(): string;
  /** The ids of all processes that it has started. */
  children(): Promise<number[]>;
  /** Sends SIGTERM and waits for its end. */
  stop(): Promise<{ exitCode: number | null }>;
  /** Sends SIGINT to its whole process group, as Ctrl-C at a terminal does. */
  interrupt(): void;
  isRunning(): boolean;
  /** Resolves at its end. */
  ended: Promise<{ exitCode: number | null }>;
  /** Ends its own process at once, as a crash does. */
  crash(): Promise<void>;
}

/**
 * Starts `npm start`'s process on a state directory, and waits until it is ready.
 * @param command what starts it: by default Node itself, for which signals need not pass through npm
 * @param port by default any free one
 */
export async function startLocalSystem(
  stateDir: string,
  command = nodeCommand,
  port = 0,
): Promise<LocalSystem> {
  const { child, pid } = spawnMain(stateDir, command, port);
  const printed = collectOutput(child);
  const closed = once(child, "close");
  const ready = new Promise<void>((resolve) => {
    child.stdout.on("data", () => {
      if (printed.stdout.includes("Slipway is running")) resolve();
    });
  });
  await Promise.race([ready, closed]);
  if (child.exitCode !== null) throw new Error(`npm start ended with ${child.exitCode}: ${printed.output}`);
  const local = localJson.parse(JSON.parse(await readFile(join(stateDir, "local.json"), "utf8")));

  const end = async (signal: "SIGTERM" | "SIGKILL") => {
    child.kill(signal);
    await closed;
  };
  return {
    local,
    stateDir,
    screen: () => printed.stdout,
    children: () => descendantsOf(pid),
    async stop() {
      await end("SIGTERM");
      return { exitCode: child.exitCode };
    },
    interrupt: () => void process.kill(-pid, "SIGINT"),
    isRunning: () => child.exitCode === null && child.signalCode === null,
    ended: closed.then(() => ({ exitCode: child.exitCode })),
    crash: () => end("SIGKILL"),
    async [Symbol.asyncDispose]() {
      // To the group: npm would end without what it has started.
      if (child.exitCode === null && child.signalCode === null) process.kill(-pid, "SIGTERM");
      await closed;
    },
  };
}

/** Sends SIGTERM to a start that has just begun, and waits for its end. */
export async function breakOffStart(stateDir: string): Promise<{ exitCode: number | null; output: string }> {
  const { child } = spawnMain(stateDir);
  const printed = collectOutput(child);
  const closed = once(child, "close");
  await vi.waitFor(() => stat(join(stateDir, "pid")), { timeout: 20_000 });
  child.kill("SIGTERM");
  await closed;
  return { exitCode: child.exitCode, output: printed.output };
}

function spawnMain(stateDir: string, [program, ...args]: Command = nodeCommand, port = 0) {
  const child = spawn(program, [...args, "--port", String(port), "--state-dir", stateDir], {
    cwd: repository,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const { pid } = child;
  if (pid === undefined) throw new Error("the process was not started");
  // A group of its own gets no Ctrl-C that ends the tests.
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  child.once("close", () => process.off("exit", kill));
  return { child, pid };
}

/** Runs `npm start`'s process where it is expected to end by itself. */
export function runLocalSystem(args: readonly string[]): Promise<Ended> {
  return run([process.execPath, main, ...args]);
}
