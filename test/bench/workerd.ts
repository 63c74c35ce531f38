import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { promisify } from "node:util";
import { z } from "zod";
import { workerdBinary, workerdConfig } from "../support/killable/workerd-config.ts";
import type { Bundle } from "./bundle.ts";
import { lineBuffered, pauseOf, traceFlag } from "./gc.ts";
import type { Sandbox } from "./sandbox.ts";

const listenEvent = z.object({ event: z.literal("listen"), socket: z.literal("http"), port: z.int() });
const shownOutputMaxCharacters = 20_000;

export interface Workerd {
  origin: string;
  /** The processor time that the process has used, in milliseconds; NaN where the system has no /proc. */
  cpuMs(): Promise<number>;
  /** The memory that the process holds, in bytes. */
  residentBytes(): Promise<number>;
  /** How many files and sockets it has open; null where the system has no /proc. */
  openFiles(): Promise<number | null>;
  /** What it printed last. */
  output(): string;
  /** The pauses of its garbage collector so far; null where they are not traced. */
  pausesMs(): number[] | null;
  /** Kills the process and removes its state, unless that was given. */
  stop(): Promise<void>;
}

export interface WorkerdOptions {
  /** Where its objects are kept, and stay; a folder of its own that goes with it where it is left out. */
  stateDir?: string;
  /** Has it print its pauses, where the system lets these be read in time. */
  traceGc?: boolean;
}

let started = 0;

/**
 * Serves a bundle in a separate workerd. It reaches nothing but this machine.
 * @throws with what workerd printed if it ends before it listens
 */
export async function startWorkerd(
  sandbox: Sandbox,
  bundle: Bundle,
  texts: Record<string, string>,
  options: WorkerdOptions = {},
): Promise<Workerd> {
  started += 1;
  const stateDir = options.stateDir ?? join(bundle.dir, `state-${started}`);
  const configFile = join(bundle.dir, `run-${started}.capnp`);
  await mkdir(stateDir, { recursive: true });
  const { durableObjects: objects, ...worker } = bundle;
  const traced = options.traceGc ? lineBuffered : null;
  const v8Flags = traced ? [traceFlag] : [];
  await writeFile(configFile, workerdConfig({ ...worker, objects, texts, stateDir, port: 0, v8Flags }));
  const [program, ...args] = [...(traced ?? []), workerdBinary] as const;
  const child = sandbox.own(
    spawn(program, [...args, "serve", configFile, "--control-fd=3"], {
      stdio: ["ignore", "pipe", "pipe", "pipe"],
    }),
  );
  let output = "";
  const pausesMs: number[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    if (!(stream instanceof Readable)) throw new Error("workerd has no output");
    createInterface({ input: stream }).on("line", (line) => {
      const pause = pauseOf(line);
      if (pause !== null) pausesMs.push(pause);
      else output = `${output}${line}\n`.slice(-shownOutputMaxCharacters);
    });
  }
  const exited = once(child, "exit");
  const port = await Promise.race([listeningPort(child.stdio[3]), exited.then(() => null)]);
  if (port === null) throw new Error(`workerd could not serve ${bundle.name}:\n${output}`);
  return {
    origin: `http://127.0.0.1:${port}`,
    cpuMs: () => cpuMsOf(child.pid),
    residentBytes: () => residentBytesOf(child.pid),
    openFiles: () =>
      readdir(`/proc/${child.pid}/fd`).then(
        ({ length }) => length,
        () => null,
      ),
    output: () => output,
    pausesMs: () => (traced ? [...pausesMs] : null),
    async stop() {
      child.kill("SIGKILL");
      await exited;
      if (options.stateDir === undefined) await rm(stateDir, { recursive: true });
    },
  };
}

/** The port that the platform gave, read from workerd's control messages; null if it closes without one. */
async function listeningPort(control: unknown): Promise<number | null> {
  if (!(control instanceof Readable)) throw new Error("workerd has no control stream");
  for await (const line of createInterface({ input: control })) {
    const event = listenEvent.safeParse(JSON.parse(line));
    if (event.success) return event.data.port;
  }
  return null;
}

/** proc_pid_stat(5): fields 14 and 15 are the user and the system time in ticks of 10 ms. */
async function cpuMsOf(pid: number | undefined): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // The second field is the program's name in parentheses, and may hold spaces.
  const [user, system] = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .slice(11, 13);
  return (Number(user) + Number(system)) * 10;
}

/** ps(1) prints it in units of 1,024 bytes, on every system. */
async function residentBytesOf(pid: number | undefined): Promise<number> {
  const { stdout } = await promisify(execFile)("ps", ["-o", "rss=", "-p", String(pid)]);
  return Number(stdout) * 1024;
}
