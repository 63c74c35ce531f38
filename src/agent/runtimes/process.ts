import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fail, ok, type Result } from "../../domain/result.ts";
import type { ImageCommand } from "../images/image-command.ts";
import type { ImageCommands } from "../images/image-store.ts";
import { messageOf } from "../log.ts";
import type { Exit, Runtime, RuntimeImage, Started, StartSpec } from "../runtime.ts";
import { freePort } from "./free-port.ts";
import { outputLines } from "./output-lines.ts";

interface Running {
  processGroup: number;
  port: number;
}

/**
 * Runs a backend as a child process that leads a process group of its own, so that a stop reaches its
 * descendants. A descendant that makes itself a group of its own escapes: that needs a container. Nothing keeps a
 * backend from this machine's files either; its image's root file system is merely where it starts.
 */
export function processRuntime(options: { images: ImageCommands; path?: string }): Runtime {
  const running = new Map<string, Running>();
  const ports = new Set<number>();
  const path = options.path ?? process.env.PATH;

  /** Children do not die with their parent by themselves, however it ends. */
  const killAll = () => {
    for (const { processGroup } of running.values()) signalGroup(processGroup, "SIGKILL");
  };

  async function find(image: RuntimeImage, signal: AbortSignal): Promise<Result<ImageCommand>> {
    try {
      return await options.images({ repository: image.repository, digest: image.digest }, signal);
    } catch (error) {
      return fail("internal_error", `image \`${image.reference}\` could not be read: ${messageOf(error)}`);
    }
  }

  async function launch(image: ImageCommand, spec: StartSpec, port: number): Promise<Result<Started>> {
    const [program, ...args] = image.command;
    if (program === undefined) return fail("internal_error", "the image has an empty command");
    const child = spawn(program, args, {
      ...(image.cwd === undefined ? {} : { cwd: image.cwd }),
      env: { ...(path === undefined ? {} : { PATH: path }), ...image.env, ...spec.env, PORT: String(port) },
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    await once(child, "spawn");
    const { pid } = child;
    if (pid === undefined) return fail("internal_error", `\`${program}\` has no process id`);

    if (running.size === 0) process.once("exit", killAll);
    running.set(spec.backendId, { processGroup: pid, port });
    readOutput(child, spec);
    const exited = new Promise<Exit>((resolve) => {
      child.once("exit", (code, signal) => {
        signalGroup(pid, "SIGKILL");
        running.delete(spec.backendId);
        ports.delete(port);
        if (running.size === 0) process.off("exit", killAll);
        resolve({ code, signal });
      });
    });
    child.on("error", () => undefined);
    return ok({ port, exited });
  }

  return {
    async pull(image, signal) {
      const found = await find(image, signal);
      return found.ok ? ok(null) : found;
    },

    async start(spec) {
      const image = await find(spec.image, new AbortController().signal);
      if (!image.ok) return image;
      const port = await freePort(ports);
      ports.add(port);
      try {
        const started = await launch(image.value, spec, port);
        if (!started.ok) ports.delete(port);
        return started;
      } catch (error) {
        ports.delete(port);
        return fail("internal_error", `the command of \`${spec.image.reference}\`: ${messageOf(error)}`);
      }
    },

    async stop(backendId, kind) {
      const backend = running.get(backendId);
      if (backend) signalGroup(backend.processGroup, kind === "soft" ? "SIGTERM" : "SIGKILL");
    },
  };
}

function readOutput(child: ChildProcess, spec: StartSpec): void {
  for (const name of ["stdout", "stderr"] as const) {
    const lines = outputLines((line) => spec.onOutput(name, line));
    child[name]?.on("data", lines.push);
    child[name]?.once("end", lines.end);
    child[name]?.on("error", () => undefined);
  }
}

function signalGroup(processGroup: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-processGroup, signal);
  } catch {
    // ESRCH: the whole group has ended already.
  }
}
