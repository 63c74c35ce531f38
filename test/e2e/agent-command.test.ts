import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { nodeImage } from "../../src/local/node-image.ts";
import { pushImage } from "../../src/local/push-image.ts";
import { backendAnswer } from "../../src/protocol/jamsocket/v2.ts";
import { observedCluster } from "../../src/protocol/v3/clusters.ts";
import { guardOf } from "../agent/support/guards.ts";
import { call, connectToDemo, untilStatus } from "../support/api.ts";
import { createCluster, startAgentCommand } from "../support/clusters/agent-command.ts";
import { makeFolder } from "../support/folder.ts";
import { type LocalSystem, startLocalSystem } from "../support/local-system.ts";
import { runningOf } from "../support/process.ts";
import { share } from "../support/shared.ts";

const stubbornProgram = `
process.on("SIGTERM", () => {});
require("node:http").createServer((_, response) => response.end()).listen(process.env.PORT, "127.0.0.1");
`;

let folder: string;
let system: LocalSystem;

share({
  async start(stack) {
    folder = stack.use(await makeFolder()).path;
    system = stack.use(await startLocalSystem(join(folder, "local")));
    const { api_url: apiUrl, account, token } = system.local;
    const repository = { apiUrl, account, service: "hello-world", token };
    await pushImage(repository, nodeImage(stubbornProgram), ["stubborn"]);
  },
});

/** A cluster of its own for a test, and the environment of its agent. */
async function makeCluster(name: string) {
  const env = await createCluster(system.local, name, join(folder, name));
  return { ...env, SLIPWAY_RUNTIME: "process" };
}

async function lastStatus(backendId: string) {
  const { statuses } = await call(system.local, backendAnswer, `/v2/backend/${backendId}`);
  return statuses.at(-1);
}

async function titleAt(url: string): Promise<string | undefined> {
  return /<title>(.*)<\/title>/.exec(await (await fetch(url)).text())?.[1];
}

test("an agent serves its cluster, says how it is, and drains on SIGTERM", async () => {
  const env = await makeCluster("served");
  await using agent = await startAgentCommand(env);
  const { backend_id, url } = await connectToDemo(system.local, "served", { key: "k" });
  expect(url.startsWith(`${agent.url}/${backend_id}/`)).toBe(true);
  expect(await titleAt(url)).toBe("hello-world v1 · served");
  const { agents } = await call(system.local, observedCluster, "/v3/accounts/demo/clusters/served");
  expect(await agent.health()).toEqual({
    status: 200,
    body: {
      status: "ok",
      cluster: "served",
      agent_id: agents[0]?.id,
      version: agents[0]?.version,
      backends: 1,
      journal: "ok",
      lease: "held",
      draining: false,
    },
  });
  const children = await agent.children();

  agent.signal("SIGTERM");
  expect(await agent.ended).toEqual({ exitCode: 0, stderr: "" });
  expect(await lastStatus(backend_id)).toMatchObject({
    status: "terminated",
    termination_kind: "soft",
    exit_code: 0,
  });
  expect(await runningOf(children)).toEqual([]);
  expect(agent.events().map(({ event }) => event)).toEqual(
    expect.arrayContaining(["agent.started", "backend.spawned", "agent.stopping", "agent.closed"]),
  );
  for (const secret of [env.SLIPWAY_AGENT_TOKEN, env.SLIPWAY_SIGNING_SECRET]) {
    expect(agent.printed()).not.toContain(secret);
  }
});

test("what is kept on SIGTERM runs on, and the next start serves it as if nothing had been", async () => {
  const env = { ...(await makeCluster("kept")), SLIPWAY_ON_STOP: "keep" };
  await using first = await startAgentCommand(env);
  const { backend_id, url } = await connectToDemo(system.local, "kept");
  const children = await first.children();
  first.signal("SIGTERM");
  expect(await first.ended).toEqual({ exitCode: 0, stderr: "" });
  expect(await runningOf(children)).toEqual(children);

  await using second = await startAgentCommand({ ...env, SLIPWAY_ON_STOP: "end" });
  expect(second.events()).toContainEqual(
    expect.objectContaining({ event: "backend.adopted", backend_id, adoption: "watch" }),
  );
  expect(await titleAt(url)).toBe("hello-world v1 · kept");
  expect(await lastStatus(backend_id)).toMatchObject({ status: "ready" });
  second.signal("SIGTERM");
  expect((await second.ended).exitCode).toBe(0);
  expect(await runningOf(children)).toEqual([]);
  expect(await lastStatus(backend_id)).toMatchObject({ status: "terminated", exit_code: 0 });
});

test.runIf(process.platform === "linux")(
  "an agent that is killed is back, by its guard, with the key's holder as it was; and stops for good",
  async () => {
    const env = await makeCluster("guarded");
    const guard = guardOf(env.SLIPWAY_AGENT_STATE_DIR);
    await using first = await startAgentCommand(env);
    const { backend_id, url } = await connectToDemo(system.local, "guarded", { key: "k" });
    const children = await first.children();
    const [shell = 0] = children;
    await guard.started();
    first.signal("SIGKILL");
    await first.ended;
    await vi.waitFor(async () => expect(await titleAt(url)).toBe("hello-world v1 · guarded"), {
      timeout: 30_000,
    });
    expect(await lastStatus(backend_id)).toMatchObject({ status: "ready" });
    expect(await runningOf([shell])).toEqual([shell]);

    process.kill(guard.agentPid() ?? 0, "SIGTERM");
    await vi.waitFor(async () => expect(await guard.isRunning()).toBe(false), { timeout: 30_000 });
    expect(await runningOf(children)).toEqual([]);
    expect(await lastStatus(backend_id)).toMatchObject({ status: "terminated", exit_code: 0 });
  },
);

test("a second signal leaves at once with its processes dead, and the next start reports their end", async () => {
  const env = await makeCluster("left");
  await using first = await startAgentCommand(env);
  const { backend_id, status_url } = await connectToDemo(system.local, "left", {
    spawn: { tag: "stubborn" },
  });
  const children = await first.children();
  await vi.waitFor(
    () => {
      first.signal("SIGTERM");
      expect(first.isRunning()).toBe(false);
    },
    { timeout: 20_000 },
  );
  expect(await first.ended).toEqual({ exitCode: 143, stderr: "" });
  expect(first.events().filter(({ event }) => event === "agent.stopping")).toMatchObject([
    { signal: "SIGTERM", at_once: false },
    { signal: "SIGTERM", at_once: true },
  ]);
  await vi.waitFor(async () => expect(await runningOf(children)).toEqual([]), { timeout: 20_000 });

  await using _second = await startAgentCommand(env);
  await untilStatus(status_url, "terminated");
  expect(await lastStatus(backend_id)).toMatchObject({ status: "terminated", exit_code: 137 });
});

test("a disk that takes no more of its log ends neither an agent nor its backends", async () => {
  const env = await makeCluster("unlogged");
  await using agent = await startAgentCommand(env, "/dev/full");
  const { url } = await connectToDemo(system.local, "unlogged");
  expect(await titleAt(url)).toBe("hello-world v1 · unlogged");
  expect(agent.printed()).toBe("");
  agent.signal("SIGTERM");
  expect(await agent.ended).toEqual({ exitCode: 0, stderr: "" });
});
