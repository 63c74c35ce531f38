import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { z } from "zod";
import { nodeImage, nodeLayer } from "../../../src/local/node-image.ts";
import { ownNode } from "../../../src/local/own-node.ts";
import { pushImage } from "../../../src/local/push-image.ts";
import { backendAnswer } from "../../../src/protocol/jamsocket/v2.ts";
import { imageList } from "../../../src/protocol/v3/images.ts";
import { call, connectToDemo, untilStatus } from "../../support/api.ts";
import { createCluster, startAgentCommand } from "../../support/clusters/agent-command.ts";
import { type Docker, type DockerEngine, startDockerEngine } from "../../support/docker/engine.ts";
import { makeFolder } from "../../support/folder.ts";
import { jamsocketOf } from "../../support/jamsocket.ts";
import { type LocalSystem, nodeCommand, startLocalSystem } from "../../support/local-system.ts";
import { share } from "../../support/shared.ts";

const stubbornProgram = `
process.on("SIGTERM", () => {});
require("node:http").createServer((_, response) => response.end("stubborn")).listen(process.env.PORT);
`;

let engine: DockerEngine;
let docker: Docker;
let folder: string;

share({
  programs: ["dockerd", "docker"],
  async start(stack) {
    folder = stack.use(await makeFolder()).path;
    engine = stack.use(await startDockerEngine({ networking: true }));
    docker = engine.dockerOf(folder);
  },
});

/** `npm start -- --runtime docker`, on an engine of the tests' own. */
function startInContainers(stateDir: string): Promise<LocalSystem> {
  const env = `DOCKER_HOST=${engine.env.DOCKER_HOST}`;
  return startLocalSystem(stateDir, ["env", env, ...nodeCommand, "--runtime", "docker"]);
}

/** The names of containers, which are those of their backends. */
async function containers(...args: string[]): Promise<string[]> {
  const { stdout } = await docker("ps", "--format", "{{.Names}}", ...args);
  return stdout.split("\n").filter((name) => name !== "");
}

async function titleAt(url: string): Promise<string | undefined> {
  return /<title>(.*)<\/title>/.exec(await (await fetch(url)).text())?.[1];
}

async function lastStatus({ local }: LocalSystem, backendId: string) {
  const { statuses } = await call(local, backendAnswer, `/v2/backend/${backendId}`);
  return statuses.at(-1);
}

async function digestsOf({ local }: LocalSystem): Promise<Record<string, string>> {
  const { images } = await call(local, imageList, "/v3/accounts/demo/services/hello-world/images");
  return Object.fromEntries(images.flatMap(({ digest, tags }) => tags.map((tag) => [tag, digest])));
}

/** Starting in containers copies a Node to the registry, the engine's store and a container. */
const timeout = 180_000;

describe("npm start -- --runtime docker", { timeout }, () => {
  test("the demo runs in containers, the real CLI drives it, and SIGTERM ends them all", async () => {
    await using system = await startInContainers(join(folder, "driven"));
    const jamsocket = await jamsocketOf(folder, system.local.api_url);
    await jamsocket("login", "--token", system.local.token);
    const connected = await jamsocket("connect", "hello-world/prod", "--key", "my-document");
    expect(connected.exitCode, connected.output).toBe(0);
    const [, url = ""] = /^backend url: *(\S+)$/m.exec(connected.stdout) ?? [];
    const [, id = ""] = /^backend id: *(\S+)$/m.exec(connected.stdout) ?? [];
    const [, statusUrl = ""] = /^status url: *(\S+)$/m.exec(connected.stdout) ?? [];
    await untilStatus(statusUrl, "ready");
    expect(await titleAt(url)).toBe("hello-world v1 · prod");
    expect(await containers()).toEqual([id]);

    expect(await system.stop()).toEqual({ exitCode: 0 });
    expect(await containers("--all")).toEqual([]);
  });

  test("a crash leaves containers running, and the next start takes them over", async () => {
    const stateDir = join(folder, "crashed");
    const first = await startInContainers(stateDir);
    const { backend_id, url } = await connectToDemo(first.local, "staging");
    await first.crash();
    expect(await containers()).toEqual([backend_id]);

    await using second = await startInContainers(stateDir);
    expect(await titleAt(url)).toBe("hello-world v2 · staging");
    expect(await lastStatus(second, backend_id)).toMatchObject({ status: "ready" });
  });

  test("a state of processes gets images for containers, but for tags that its user has moved", async () => {
    const stateDir = join(folder, "switched");
    const processes = await startLocalSystem(stateDir);
    const { api_url: apiUrl, account, token } = processes.local;
    await pushImage({ apiUrl, account, service: "hello-world", token }, nodeImage("1"), ["v1"]);
    const before = await digestsOf(processes);
    await processes.stop();

    const inContainers = await startInContainers(stateDir);
    const after = await digestsOf(inContainers);
    expect(after.v1).toBe(before.v1);
    expect(after.v2).not.toBe(before.v2);
    expect(after.latest).toBe(after.v2);
    const { url } = await connectToDemo(inContainers.local, "staging");
    expect(await titleAt(url)).toBe("hello-world v2 · staging");
    await inContainers.stop();

    await using again = await startLocalSystem(stateDir);
    expect(await digestsOf(again)).toEqual(before);
  });
});

describe("slipway agent --runtime docker", { timeout }, () => {
  test("what is kept, and what a second signal leaves, the next start takes over", async () => {
    const system = await startInContainers(join(folder, "agents"));
    onTestFinished(() => system[Symbol.asyncDispose]());
    const given = await createCluster(system.local, "own", join(folder, "own"));
    const env = { ...given, SLIPWAY_DOCKER_HOST: engine.env.DOCKER_HOST, SLIPWAY_READ_ONLY: "true" };

    const { api_url: apiUrl, account, token } = system.local;
    const image = nodeImage(stubbornProgram, nodeLayer(await ownNode()));
    await pushImage({ apiUrl, account, service: "hello-world", token }, image, ["stubborn"]);

    const first = await startAgentCommand({ ...env, SLIPWAY_ON_STOP: "keep" });
    const spawned = await connectToDemo(system.local, "own", { spawn: { tag: "stubborn" } });
    const { backend_id, url, status_url } = spawned;
    first.signal("SIGTERM");
    expect(await first.ended).toEqual({ exitCode: 0, stderr: "" });
    expect(await containers()).toEqual([backend_id]);

    const second = await startAgentCommand(env);
    expect(await (await fetch(url)).text()).toBe("stubborn");
    const { stdout } = await docker("inspect", "--format", "{{.HostConfig.ReadonlyRootfs}}", backend_id);
    expect(stdout).toBe("true\n");
    await vi.waitFor(
      () => {
        second.signal("SIGINT");
        expect(second.isRunning()).toBe(false);
      },
      { timeout: 20_000 },
    );
    expect(await second.ended).toEqual({ exitCode: 130, stderr: "" });
    expect(await containers()).toEqual([backend_id]);

    await using _third = await startAgentCommand(env);
    expect(await lastStatus(system, backend_id)).toMatchObject({ status: "terminating" });
    const path = `/v2/backend/${backend_id}/terminate`;
    await call(system.local, z.object({ status: z.literal("ok") }), path, { json: { hard: true } });
    await untilStatus(status_url, "terminated");
    await vi.waitFor(async () => expect(await containers("--all")).toEqual([]), { timeout: 20_000 });
    expect(await lastStatus(system, backend_id)).toMatchObject({ status: "terminated", exit_code: 137 });
  });
});
