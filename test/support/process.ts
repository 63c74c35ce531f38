import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { promisify, stripVTControlCharacters } from "node:util";

/** What a command printed and how it ended, as the person at the terminal sees it: without colours. */
export interface Ended {
  exitCode: number | null;
  stdout: string;
  stderr: string;
  /** Both, in the order in which they came. */
  output: string;
}

/** What every program finds in its environment: where programs are, and where Node keeps what it has compiled. */
export const programEnv = {
  PATH: process.env.PATH,
  NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
} as const;

/** Runs a program to its end, with no other environment than the one given and `programEnv`. */
export async function run(
  command: readonly [string, ...string[]],
  options: { env?: Record<string, string>; cwd?: string } = {},
): Promise<Ended> {
  const [program, ...args] = command;
  const child = spawn(program, args, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...programEnv, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const printed = collectOutput(child);
  const [exitCode] = await once(child, "close");
  return {
    exitCode,
    stdout: stripVTControlCharacters(printed.stdout),
    stderr: stripVTControlCharacters(printed.stderr),
    output: stripVTControlCharacters(printed.output),
  };
}

/** Gathers what a process prints from now on. */
export function collectOutput(child: ChildProcess): Omit<Ended, "exitCode"> {
  const printed = { stdout: "", stderr: "", output: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.setEncoding("utf8").on("data", (text: string) => {
      printed[name] += text;
      printed.output += text;
    });
  }
  return printed;
}

interface Listed {
  pid: number;
  parent: number;
  isZombie: boolean;
}

/** The ids of all processes below one, however deep. */
export async function descendantsOf(ancestor: number): Promise<number[]> {
  const processes = await listProcesses();
  const below = (parent: number): number[] =>
    processes.filter((listed) => listed.parent === parent).flatMap(({ pid }) => [pid, ...below(pid)]);
  return below(ancestor);
}

/** Those of the processes that still run. */
export async function runningOf(pids: readonly number[]): Promise<number[]> {
  const processes = await listProcesses();
  return processes.filter(({ pid, isZombie }) => pids.includes(pid) && !isZombie).map(({ pid }) => pid);
}

async function listProcesses(): Promise<Listed[]> {
  const { stdout } = await promisify(execFile)("ps", ["-A", "-o", "pid=,ppid=,stat="]);
  return stdout
    .trim()
    .split("\n")
    .map((line) => {
      const [pid = "", parent = "", stat = ""] = line.trim().split(/\s+/);
      return { pid: Number(pid), parent: Number(parent), isZombie: stat.startsWith("Z") };
    });
}
