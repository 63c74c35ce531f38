import type { DockerRuntimeOptions } from "../../agent/runtimes/docker/docker.ts";
import { done, type Outcome, usageFailure } from "../outcome.ts";

type Engine = NonNullable<DockerRuntimeOptions["engine"]>;

const loopback = new Set(["127.0.0.1", "localhost", "[::1]"]);

/**
 * Reads where a container engine is, as DOCKER_HOST has it. It must be this machine's: that is where the engine
 * publishes its backends' ports.
 */
export function parseDockerHost(text: string): Outcome<Engine> {
  // An empty `host` keeps the library from preferring the one of DOCKER_HOST.
  if (/^unix:\/\/\/./.test(text)) return done({ host: "", socketPath: text.slice("unix://".length) });
  const url = /^tcp:/.test(text) ? URL.parse(text.replace(/^tcp:/, "http:")) : null;
  if (url && loopback.has(url.hostname) && url.pathname === "/") {
    const host = url.hostname.replace(/^\[|\]$/g, "");
    return done({ protocol: "http", host, port: url.port || "2375" });
  }
  return usageFailure(
    `\`${text}\` is not a container engine of this machine: give one such as unix:///var/run/docker.sock or tcp://127.0.0.1:2375`,
  );
}
