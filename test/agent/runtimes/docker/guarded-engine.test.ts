import { homedir } from "node:os";
import { expect, test } from "vitest";
import { guardedEngine } from "../../../../src/agent/runtimes/docker/guarded-engine.ts";

const usual = ["/var/run/docker.sock", `${homedir()}/.docker/run/docker.sock`];

test.for([
  [undefined, undefined, { socketPaths: usual }],
  [undefined, "unix:///run/user/1000/docker.sock", { socketPaths: ["/run/user/1000/docker.sock"] }],
  [undefined, "tcp://10.0.0.7:2375", null],
  [undefined, "ssh://somewhere", null],
  [
    { host: "", socketPath: "/run/docker.sock" },
    "tcp://10.0.0.7:2375",
    { socketPaths: ["/run/docker.sock"] },
  ],
  [{ protocol: "http", host: "127.0.0.1", port: "2375" }, undefined, { host: "127.0.0.1", port: 2375 }],
  [{ protocol: "http", host: "10.0.0.7", port: "2375" }, undefined, null],
  [{ protocol: "https", host: "localhost", port: "2376" }, undefined, null],
  [{ protocol: "ssh", host: "localhost" }, undefined, null],
] as const)("an engine at %o, with DOCKER_HOST=%s, is guarded at %o", ([options, dockerHost, engine]) => {
  const env = dockerHost === undefined ? {} : { DOCKER_HOST: dockerHost };
  const guarded = guardedEngine(options, "scope", env);
  expect(guarded).toEqual(engine === null ? null : { kind: "docker", scope: "scope", engine });
});
