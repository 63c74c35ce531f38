import { homedir } from "node:os";
import { join } from "node:path";
import type Docker from "dockerode";
import type { GuardedRuntime } from "../runtime.ts";

/** Where dockerode looks, in this order, for an engine that nothing names. */
const usualSockets = () => ["/var/run/docker.sock", join(homedir(), ".docker", "run", "docker.sock")];
const loopback = ["127.0.0.1", "localhost", "::1"];

/**
 * How the guard reaches an engine, where it is one of this machine. Null for any other: such as one on another machine,
 * which may run containers on while this one is gone, guard and all.
 */
export function guardedEngine(
  options: Docker.DockerOptions | undefined,
  scope: string,
  env: NodeJS.ProcessEnv = process.env,
): GuardedRuntime | null {
  const at = (engine: Extract<GuardedRuntime, { kind: "docker" }>["engine"]) =>
    ({ kind: "docker", scope, engine }) as const;
  const { socketPath, protocol = "http", host, port = 2375 } = options ?? fromEnvironment(env.DOCKER_HOST);
  if (typeof socketPath === "string") return at({ socketPaths: [socketPath] });
  if (host === undefined || host === "") return at({ socketPaths: usualSockets() });
  return protocol === "http" && loopback.includes(host) ? at({ host, port: Number(port) }) : null;
}

function fromEnvironment(dockerHost = ""): Docker.DockerOptions {
  if (dockerHost === "") return {};
  if (dockerHost.startsWith("unix://")) return { socketPath: dockerHost.slice("unix://".length) };
  return { host: dockerHost };
}
