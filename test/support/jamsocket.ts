import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import jamsocketPackage from "jamsocket/package.json" with { type: "json" };
import { collectOutput, type Ended, programEnv, run } from "./process.ts";

const program = join(
  dirname(createRequire(import.meta.url).resolve("jamsocket/package.json")),
  jamsocketPackage.bin.jamsocket,
);

/** Runs the Jamsocket CLI, as it was published, on behalf of one person. */
export type Jamsocket = (...args: string[]) => Promise<Ended>;

/**
 * A person's Jamsocket CLI.
 * @param home where it keeps its login
 * @param env what else is in its environment
 */
export async function jamsocketOf(
  home: string,
  apiUrl: string,
  env: Record<string, string> = {},
): Promise<Jamsocket> {
  const options = await jamsocketPlace(home, apiUrl, env);
  return (...args) => run([process.execPath, program, ...args], options);
}

/** A login of the CLI that a person goes through. */
export interface JamsocketLogin extends AsyncDisposable {
  /** The token in the address that it prints for the person to open. */
  loginToken(): Promise<string>;
  /** Resolves when it prompts for the code. */
  asksForCode(): Promise<void>;
  /** Types the one line of its prompt. */
  type(line: string): void;
  ended: Promise<Ended>;
}

/** Runs `jamsocket login` with somebody at its standard input, which need not be a terminal. */
export async function jamsocketLogin(home: string, apiUrl: string): Promise<JamsocketLogin> {
  const { cwd, env } = await jamsocketPlace(home, apiUrl);
  const child = spawn(process.execPath, [program, "login"], {
    cwd,
    env: { ...programEnv, ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const printed = collectOutput(child);
  const closed = once(child, "close");
  /** Resolves with what `pattern` finds in what has been printed, as soon as it is there. */
  const shows = async (pattern: RegExp): Promise<string> => {
    for (;;) {
      const found = pattern.exec(printed.output);
      if (found) return found[1] ?? "";
      const more = [once(child.stdout, "data"), once(child.stderr, "data")];
      const isOver = await Promise.race([
        ...more.map((one) => one.then(() => false)),
        closed.then(() => true),
      ]);
      if (isOver && !pattern.test(printed.output)) throw new Error(`it never said so: ${printed.output}`);
    }
  };
  return {
    loginToken: () => shows(/\/cli-login\/([\w.-]+)\s/),
    // What it says on its other stream may come after the question.
    asksForCode: async () => void (await shows(/code.*: /)),
    // It would wait for the end of a pipe, as it does not for that of a terminal.
    type: (line) => void child.stdin.end(`${line}\n`),
    ended: closed.then(([exitCode]) => ({ exitCode, ...printed })),
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await closed;
    },
  };
}

/** Where a person's CLI runs, and what it finds there. */
async function jamsocketPlace(home: string, apiUrl: string, env: Record<string, string> = {}) {
  // It looks for newer versions of itself in the background: today's answer is there already.
  const cache = join(home, ".cache", "jamsocket");
  await mkdir(cache, { recursive: true });
  await writeFile(join(cache, "version"), JSON.stringify({ latest: jamsocketPackage.version }));
  return {
    cwd: home,
    env: {
      ...env,
      HOME: home,
      JAMSOCKET_SERVER_API: apiUrl,
      // And once more after every error, over https: sent to a proxy that is not there, that fails at once.
      NODE_USE_ENV_PROXY: "1",
      HTTPS_PROXY: "http://127.0.0.1:1",
      // Tables and messages are not to be broken at the width of some terminal.
      COLUMNS: "400",
      OCLIF_COLUMNS: "400",
    },
  };
}

/** Runs a command that is to succeed. @returns what it showed. Fails, with that, where it does not */
export async function succeeding(jamsocket: Jamsocket, ...args: string[]): Promise<string> {
  const { exitCode, stdout, output } = await jamsocket(...args);
  if (exitCode !== 0) throw new Error(`jamsocket ${args.join(" ")}: ${output}`);
  return stdout;
}

/** Runs a command that is to fail. @returns why it did, as one line. Fails where it does not */
export async function refused(jamsocket: Jamsocket, ...args: string[]): Promise<string> {
  const { exitCode, stderr, output } = await jamsocket(...args);
  if (exitCode === 0) throw new Error(`jamsocket ${args.join(" ")} was not refused: ${output}`);
  return stderr.replace(/\s+/g, " ");
}

/** A field of what `connect` and `spawn` show, such as `backend url`. */
export function shown(output: string, field: string): string {
  const line = output.split("\n").find((candidate) => candidate.startsWith(`${field}:`));
  if (line === undefined) throw new Error(`there is no \`${field}\` in: ${output}`);
  return line.slice(field.length + 1).trim();
}

/** The statuses of what `backend info` shows, each with what is said of it. */
export function statusesShown(info: string): string[] {
  const [, statuses = ""] = info.split("Statuses:\n");
  return statuses
    .trim()
    .split("\n")
    .map((line) => line.replace(/^\S+\s+/, "").trim());
}
