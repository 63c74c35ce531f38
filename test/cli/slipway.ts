import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { programEnv } from "../support/process.ts";

const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

/** An access token of the account `acme`. */
export const acmeToken = `acme_0123456789ab.${"s".repeat(43)}`;

export interface Ended {
  exitCode: number | null;
  stdout: string;
  stderr: string;
}

/** Runs the real command as a process of its own, with no other `SLIPWAY_` variables than those given. */
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

/** Runs the command with a token of the account `acme`. */
export function slipwayAsAcme(apiUrl: string, args: readonly string[]): Promise<Ended> {
  return slipway(args, { env: { SLIPWAY_API_URL: apiUrl, SLIPWAY_TOKEN: acmeToken } });
}

export interface Folder extends AsyncDisposable {
  path: string;
}

export async function makeFolder(): Promise<Folder> {
  const path = await mkdtemp(join(tmpdir(), "slipway-cli-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}
