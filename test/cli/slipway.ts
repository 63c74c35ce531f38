import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { vi } from "vitest";
import { programEnv } from "../support/process.ts";

const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

/** An access token of the account `acme`. */
export const acmeToken = `acme_0123456789ab.${"s".repeat(43)}`;

export interface Ended {
  exitCode: number | null;
  stdout: string;
  stderr: string;
}

/** Runs the real command as a separate process, with no other `SLIPWAY_` variables than those given. */
export function slipway(
  args: readonly string[],
  options: { env?: Record<string, string>; cwd?: string } = {},
): Promise<Ended> {
  const child = spawn(process.execPath, [main, ...args], {
    cwd: options.cwd ?? tmpdir(),
    env: { ...programEnv, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended: Ended = { exitCode: null, stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    ended.stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    ended.stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (exitCode) => resolve({ ...ended, exitCode }));
  });
}

const asAcme = (apiUrl: string) => ({ SLIPWAY_API_URL: apiUrl, SLIPWAY_TOKEN: acmeToken });

/** Runs the real command, in a process of its own, with a token of the account `acme`. */
export function slipwayProcessAsAcme(apiUrl: string, args: readonly string[]): Promise<Ended> {
  return slipway(args, { env: asAcme(apiUrl) });
}

let runs = 0;

/**
 * The same in this process, which takes milliseconds: the command's main module is evaluated anew, with the arguments,
 * the environment and the outputs of a process. One at a time, since those are the process's own.
 */
export async function slipwayAsAcme(apiUrl: string, args: readonly string[]): Promise<Ended> {
  const ended: Ended = { exitCode: null, stdout: "", stderr: "" };
  const { argv, env } = process;
  const capture = (name: "stdout" | "stderr") =>
    vi.spyOn(process[name], "write").mockImplementation((text, encoding, written) => {
      ended[name] += text;
      const callback = typeof encoding === "function" ? encoding : written;
      if (callback) queueMicrotask(callback);
      return true;
    });
  const listening = vi.spyOn(process.stdout, "on").mockReturnValue(process.stdout);
  const replaced = [listening, capture("stdout"), capture("stderr")];
  process.argv = [process.execPath, main, ...args];
  process.env = { PATH: env.PATH, ...asAcme(apiUrl) };
  process.exitCode = undefined;
  try {
    await import(`${main}?run=${++runs}`);
    return { ...ended, exitCode: Number(process.exitCode ?? 0) };
  } finally {
    process.exitCode = undefined;
    process.env = env;
    process.argv = argv;
    for (const spy of replaced) spy.mockRestore();
  }
}

export interface Folder extends AsyncDisposable {
  path: string;
}

export async function makeFolder(): Promise<Folder> {
  const path = await mkdtemp(join(tmpdir(), "slipway-cli-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}
