import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { onTestFinished, vi } from "vitest";
import { freePort } from "../../src/agent/runtimes/free-port.ts";
import { makeFolder } from "./folder.ts";
import { isListening } from "./listening.ts";
import { collectOutput, programEnv } from "./process.ts";

/**
 * The nginx of this machine, until the test ends.
 * @param http what its `http` block has, given the port of 127.0.0.1 that it is to listen on
 * @returns that port
 */
export async function startNginx(http: (port: number) => string): Promise<number> {
  const folder = await makeFolder();
  const dir = folder.path;
  const port = await freePort(new Set());
  const kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  await mkdir(join(dir, "temp"));
  await writeFile(
    join(dir, "nginx.conf"),
    `daemon off; master_process off; pid ${dir}/nginx.pid; error_log stderr;
    events {}
    http {
      access_log off;
      ${kinds.map((kind) => `${kind}_temp_path ${dir}/temp/${kind};`).join("\n")}
      ${http(port)}
    }`,
  );
  const child = spawn("nginx", ["-p", dir, "-c", join(dir, "nginx.conf"), "-e", "stderr"], {
    env: programEnv,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const printed = collectOutput(child);
  const ended = once(child, "close");
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
    await folder[Symbol.asyncDispose]();
  });
  await vi.waitUntil(
    async () => {
      if (child.exitCode !== null) throw new Error(printed.output);
      return isListening(port);
    },
    { timeout: 20_000, interval: 5 },
  );
  return port;
}
