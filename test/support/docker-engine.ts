import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { makeFolder } from "./folder.ts";
import { type Ended, run } from "./process.ts";

/** Runs the Docker CLI against an engine, on behalf of one person. */
export type Docker = (...args: string[]) => Promise<Ended>;

export interface DockerEngine extends AsyncDisposable {
  /** What a program needs in its environment to find it. */
  env: { DOCKER_HOST: string };
  /** A person's CLI. @param home where it keeps its logins */
  dockerOf(home: string): Docker;
  /** Removes all images and their layers: what it runs next it must pull. */
  empty(): Promise<void>;
}

/**
 * Starts a Docker engine of its own, on a socket and with a store in a new folder, and waits until it answers.
 * Fails, with what it printed, where it does not start.
 */
export async function startDockerEngine(): Promise<DockerEngine> {
  const folder = await makeFolder();
  const at = (name: string) => join(folder.path, name);
  const env = { DOCKER_HOST: `unix://${at("docker.sock")}` };
  const log = createWriteStream(at("log"));
  await once(log, "open");
  const engine = spawn(
    "dockerd",
    [
      ...["--host", env.DOCKER_HOST, "--pidfile", at("pid")],
      ...["--data-root", at("data"), "--exec-root", at("exec")],
      // Its containers need no network, and the machine's is left as it is.
      ...["--bridge", "none", "--iptables=false", "--ip6tables=false", "--ip-forward=false"],
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  engine.stderr.pipe(log);
  // It must not outlive tests that end without disposing of it.
  const stop = () => engine.kill("SIGTERM");
  process.once("exit", stop);
  engine.once("exit", () => process.off("exit", stop));
  const close = async () => {
    stop();
    if (isRunning(engine)) await once(engine, "exit");
    log.end();
    await folder[Symbol.asyncDispose]();
  };
  try {
    await untilItListens(engine);
  } catch (error) {
    const printed = await readFile(at("log"), "utf8");
    await close();
    throw new Error(`dockerd does not start: ${printed.slice(-2000)}`, { cause: error });
  }

  const dockerOf =
    (home: string): Docker =>
    (...args) =>
      // The builder that comes with every engine: the other one is a plugin that may not be there.
      run(["docker", ...args], { env: { ...env, HOME: home, DOCKER_BUILDKIT: "0" } });
  await mkdir(at("home"));
  const docker = dockerOf(at("home"));
  return {
    env,
    dockerOf,
    async empty() {
      const { stdout } = await docker("image", "ls", "--quiet", "--no-trunc");
      const ids = new Set(stdout.split("\n").filter((id) => id !== ""));
      if (ids.size > 0) await docker("image", "rm", "--force", ...ids);
      const left = await docker("image", "ls", "--quiet", "--all");
      if (left.output !== "") throw new Error(`the engine still has images: ${left.output}`);
    },
    [Symbol.asyncDispose]: close,
  };
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

/** Resolves when the engine says that it listens; rejects when it ends before. */
async function untilItListens(engine: ChildProcess): Promise<void> {
  let printed = "";
  await new Promise<void>((listens, failed) => {
    engine.once("error", failed);
    engine.once("exit", (code) => failed(new Error(`it ended with ${code}`)));
    engine.stderr?.on("data", (data: Buffer) => {
      printed += data.toString();
      if (printed.includes("API listen on")) listens();
    });
  });
}
