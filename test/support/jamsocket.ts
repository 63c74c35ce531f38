import { mkdir, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import jamsocketPackage from "jamsocket/package.json" with { type: "json" };
import { type Ended, run } from "./process.ts";

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
  // It looks for newer versions of itself in the background: today's answer is there already.
  const cache = join(home, ".cache", "jamsocket");
  await mkdir(cache, { recursive: true });
  await writeFile(join(cache, "version"), JSON.stringify({ latest: jamsocketPackage.version }));
  return (...args) =>
    run([process.execPath, program, ...args], {
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
    });
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
