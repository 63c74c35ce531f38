import { type ChildProcess, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { makeFolder } from "../folder.ts";
import { type Ended, run, runningOf } from "../process.ts";

/** Runs the Docker CLI against an engine, on behalf of one person. */
export type Docker = (...args: string[]) => Promise<Ended>;

export interface DockerEngine extends AsyncDisposable {
  /** What a program needs in its environment to find it. */
  env: { DOCKER_HOST: string };
  socketPath: string;
  /** A person's CLI. @param home where it keeps its logins */
  dockerOf(home: string): Docker;
  /** Removes all images and their layers: what it runs next it must pull. */
  empty(): Promise<void>;
  /** Has it hang: it accepts requests and answers none. @returns what lets it go on */
  freeze(): () => void;
  /** Sends it SIGKILL. Resolves when it is gone; its containers are not. */
  kill(): Promise<void>;
  /** Starts it again, over what it had. @param changes where it is to do otherwise from now on */
  restart(changes?: Pick<DockerEngineOptions, "liveRestore">): Promise<void>;
}

export interface DockerEngineOptions {
  /** Whether containers can have networks of their making and publish ports; by default there is no network at all. */
  networking?: boolean;
  /**
   * Whether networks are filtered and reach the world. For one file of tests alone: engines share the machine's
   * iptables chains, and each one that starts recreates them.
   */
  firewall?: boolean;
  /** Whether containers run on when the engine is gone. */
  liveRestore?: boolean;
  /** A program that it runs containers with, in place of runc. */
  ociRuntime?: string;
}

/**
 * Starts a Docker engine of its own, on a socket and with a store in a new folder, and waits until it answers.
 * Fails, with what it printed, where it does not start.
 */
export async function startDockerEngine({
  networking = false,
  firewall = false,
  liveRestore = false,
  ociRuntime,
}: DockerEngineOptions = {}): Promise<DockerEngine> {
  const folder = await makeFolder();
  const at = (name: string) => join(folder.path, name);
  const env = { DOCKER_HOST: `unix://${at("docker.sock")}` };
  const log = createWriteStream(at("log"));
  await once(log, "open");
  const args = [
    ...["--host", env.DOCKER_HOST, "--pidfile", at("pid")],
    ...["--data-root", at("data"), "--exec-root", at("exec")],
    ...networkArgs(networking),
    ...(ociRuntime === undefined
      ? []
      : ["--add-runtime", `other=${ociRuntime}`, "--default-runtime", "other"]),
    // The machine's network is left as it is.
    ...(firewall ? [] : ["--iptables=false", "--ip6tables=false", "--ip-forward=false"]),
  ];
  let endures = liveRestore;
  let engine: ChildProcess | undefined;
  // It must not outlive tests that end without disposing of it.
  const stop = () => void engine?.kill("SIGTERM");
  process.once("exit", stop);

  async function start(): Promise<void> {
    const begun = spawn("dockerd", [...args, ...(endures ? ["--live-restore"] : [])], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    engine = begun;
    begun.stderr.pipe(log, { end: false });
    await untilItListens(begun);
  }
  const containerdPid = join(at("exec"), "containerd", "containerd.pid");
  async function startAgain(): Promise<void> {
    // What was killed has left them, and the new engine would wait for a containerd that nobody has reaped yet.
    for (const file of [at("pid"), containerdPid]) await rm(file, { force: true });
    await start();
  }
  async function end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    if (!engine || !isRunning(engine)) return;
    engine.kill(signal);
    await once(engine, "exit");
  }
  async function kill(): Promise<void> {
    if (!engine || !isRunning(engine)) return;
    const containerd = Number(await readFile(containerdPid, "utf8"));
    await end("SIGKILL");
    // The kernel ends it after the engine.
    while ((await runningOf([containerd])).length > 0) await setImmediate();
  }
  async function close(): Promise<void> {
    process.off("exit", stop);
    await end("SIGTERM");
    log.end();
    await unmountAllBelow(folder.path);
    await folder[Symbol.asyncDispose]();
  }
  try {
    await start();
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

  /** Containers, and the machine's bridges behind networks, would outlive the engine. */
  async function removeContainers(): Promise<void> {
    if (!engine || !isRunning(engine)) await startAgain();
    const { stdout } = await docker("container", "ls", "--all", "--quiet");
    const ids = stdout.split("\n").filter((id) => id !== "");
    if (ids.length > 0) await docker("container", "rm", "--force", "--volumes", ...ids);
    await docker("network", "prune", "--force");
  }

  return {
    env,
    socketPath: at("docker.sock"),
    dockerOf,
    async empty() {
      const { stdout } = await docker("image", "ls", "--quiet", "--no-trunc");
      const ids = new Set(stdout.split("\n").filter((id) => id !== ""));
      if (ids.size > 0) await docker("image", "rm", "--force", ...ids);
      const left = await docker("image", "ls", "--quiet", "--all");
      if (left.output !== "") throw new Error(`the engine still has images: ${left.output}`);
    },
    freeze() {
      engine?.kill("SIGSTOP");
      return () => void engine?.kill("SIGCONT");
    },
    kill,
    async restart(changes) {
      endures = changes?.liveRestore ?? endures;
      await kill();
      await startAgain();
    },
    async [Symbol.asyncDispose]() {
      if (networking) await removeContainers();
      await close();
    },
  };
}

function networkArgs(networking: boolean): string[] {
  // No bridge that all engines would share, and addresses that hardly any other has.
  const base = `10.${100 + randomInt(100)}.${16 * randomInt(16)}.0/20`;
  return ["--bridge", "none", ...(networking ? ["--default-address-pool", `base=${base},size=24`] : [])];
}

/** Engines that were killed leave mounts behind, which hold their folder. */
async function unmountAllBelow(path: string): Promise<void> {
  const mounts = (await readFile("/proc/self/mounts", "utf8"))
    .split("\n")
    .map((line) => line.split(" ")[1] ?? "")
    .filter((target) => target.startsWith(`${path}/`));
  for (const target of mounts.toReversed()) await run(["umount", target]);
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
