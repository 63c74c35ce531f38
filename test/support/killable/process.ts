import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { programEnv } from "../process.ts";

export interface ProgramOptions {
  /** As messages call it. */
  name: string;
  command: readonly [string, ...string[]];
  env?: Record<string, string>;
  /** Whether a line of its output says that it serves from then on. */
  saysItServes(line: string): boolean;
}

/** A program that is killed and started again, over and over. */
export interface KillableProcess extends AsyncDisposable {
  name: string;
  /** Starts it, which takes a while: see `serving`. */
  start(): void;
  /** Resolves when the program, in this start of it or a later one, serves. Rejects where it has ended by itself. */
  serving(): Promise<void>;
  isServing(): boolean;
  /** Null while it does not run. */
  pid(): number | null;
  /** SIGKILL, at whatever it is doing. Resolves when it is gone. */
  kill(): Promise<void>;
  /** The lines that it has printed, in all its starts. */
  printed: readonly string[];
  /** What it said when it ended without having been killed; null where it never did. */
  failure(): string | null;
}

const lastLines = 20;

/** A promise whose rejection is not unhandled where nobody awaits it. */
function quietResolvers() {
  const resolvers = Promise.withResolvers<void>();
  resolvers.promise.catch(() => undefined);
  return resolvers;
}

export function killableProcess({ name, command, env, saysItServes }: ProgramOptions): KillableProcess {
  const [program, ...args] = command;
  const printed: string[] = [];
  let child: ChildProcess | null = null;
  let gone: Promise<unknown> = Promise.resolve();
  let served = quietResolvers();
  let isServing = false;
  let failure: string | null = null;
  // The tests may end without disposing of it.
  const killNow = () => void child?.kill("SIGKILL");
  process.once("exit", killNow);

  async function kill(): Promise<void> {
    if (isServing) served = quietResolvers();
    isServing = false;
    killNow();
    child = null;
    await gone;
  }

  return {
    name,
    printed,
    start() {
      const begun = spawn(program, args, {
        // A group of its own gets no Ctrl-C that ends the tests.
        detached: true,
        env: { ...programEnv, ...env },
        stdio: ["ignore", "pipe", "pipe"],
      });
      child = begun;
      const read = (line: string) => {
        printed.push(line);
        if (child !== begun || isServing || !saysItServes(line)) return;
        isServing = true;
        served.resolve();
      };
      for (const output of [begun.stdout, begun.stderr]) createInterface({ input: output }).on("line", read);
      gone = once(begun, "close").then(() => {
        if (child !== begun) return;
        failure = `${name} ended by itself: ${printed.slice(-lastLines).join("\n")}`;
        served.reject(new Error(failure));
      });
    },
    serving: () => served.promise,
    isServing: () => isServing,
    pid: () => child?.pid ?? null,
    kill,
    failure: () => failure,
    async [Symbol.asyncDispose]() {
      await kill();
      process.off("exit", killNow);
    },
  };
}
