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
