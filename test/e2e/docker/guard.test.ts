import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { z } from "zod";
import { freePort } from "../../../src/agent/runtimes/free-port.ts";
import { testFolder, testSlipway } from "../../agent/support/cluster.ts";
import { agentToken, signingSecret, spawnData } from "../../agent/support/deliveries.ts";
import { driver } from "../../agent/support/driver.ts";
import { eventually } from "../../agent/support/eventually.ts";
import { guardOf } from "../../agent/support/guards.ts";
import { startAgentCommand } from "../../support/clusters/agent-command.ts";
import { type Docker, type DockerEngine, startDockerEngine } from "../../support/docker/engine.ts";
import { buildLingeringImage } from "../../support/docker/lingering-image.ts";
import { makeFolder } from "../../support/folder.ts";
import { runningOf } from "../../support/process.ts";
import { share } from "../../support/shared.ts";

// Leases run out while it waits.
vi.setConfig({ testTimeout: 240_000 });

/** Longer than the time between two heartbeats. */
const leaseSeconds = 18;
/** When the key could pass on, in the relation of the real limits. */
const lostAfterMs = (leaseSeconds * 1000 * 60) / 45;

let engine: DockerEngine;
let docker: Docker;
let image: { repository: string; digest: string };

share({
  programs: ["dockerd", "docker", "busybox"],
  async start(stack) {
    const home = stack.use(await makeFolder()).path;
    engine = stack.use(await startDockerEngine({ networking: true }));
    docker = engine.dockerOf(home);
    image = await buildLingeringImage(docker, home);
  },
});

/** The process of a container, without which it does not run. */
async function processOf(container: string): Promise<number> {
  const { stdout } = await docker("inspect", "--format", "{{.State.Pid}}", container);
  return z.coerce.number().int().min(2).parse(stdout.trim());
}

/** `slipway agent` with its guard, and a container with a key and one without. */
async function startGuarded(env: Record<string, string> = {}) {
  const slipway = await testSlipway();
  slipway.leaseSeconds = leaseSeconds;
  let heardAt = 0;
  slipway.interceptHeartbeat = async () => {
    heardAt = performance.now();
    return null;
  };
  const stateDir = join(await testFolder(), "state");
  const guard = guardOf(stateDir);
  const agent = await startAgentCommand({
    SLIPWAY_API_URL: slipway.url,
    SLIPWAY_CLUSTER: "eu-prod",
    SLIPWAY_AGENT_TOKEN: agentToken,
    SLIPWAY_SIGNING_SECRET: signingSecret,
    SLIPWAY_AGENT_STATE_DIR: stateDir,
    SLIPWAY_PORT: String(await freePort(new Set())),
    SLIPWAY_DOCKER_HOST: engine.env.DOCKER_HOST,
    SLIPWAY_GUARD: "watch",
    ...env,
  });
  onTestFinished(() => agent.signal("SIGKILL"));
  await guard.started();
  const drive = driver(slipway, () => agent.url);
  const reference = `${image.repository}@${image.digest}`;
  const start = async (key: string | null) => {
    const data = spawnData("serve", { key, image: { ...image, reference, tag: null } });
    await eventually(async () => (await drive.deliver("backend.spawn", data)).status).toBe(200);
    await drive.reached(data.backend_id, "ready");
    onTestFinished(async () => void (await docker("rm", "--force", data.backend_id)));
    return processOf(data.backend_id);
  };
  const [keyed, unkeyed] = [await start("doc-1"), await start(null)];
  const agentId = z.string().parse(agent.events().find(({ event }) => event === "agent.started")?.agent_id);
  return {
    slipway,
    agent,
    agentId,
    guard,
    keyed,
    unkeyed,
    /** Resolves when the key may pass on, to what still runs then. */
    async whenLost() {
      const patience = { timeout: 2 * lostAfterMs, interval: 50 };
      await vi.waitUntil(() => performance.now() - heardAt > lostAfterMs, patience);
      return runningOf([keyed, unkeyed]);
    },
  };
}

test("containers with keys are dead before their keys may pass on, whether the agent is killed, frozen or leaves", async () => {
  const [killed, frozen, leaving, guardless] = await Promise.all([
    startGuarded(),
    startGuarded(),
    startGuarded({ SLIPWAY_ON_STOP: "keep" }),
    startGuarded(),
  ]);
  killed.agent.signal("SIGKILL");
  frozen.agent.signal("SIGSTOP");
  leaving.agent.signal("SIGTERM");
  const first = guardless.guard.signal("SIGKILL");
  await guardless.guard.started(first);
  guardless.agent.signal("SIGKILL");

  const all = [killed, frozen, leaving, guardless];
  const running = await Promise.all(all.map((each) => each.whenLost()));
  expect(running).toEqual(all.map(({ unkeyed }) => [unkeyed]));
  expect(leaving.slipway.heartbeats.at(-1)).toMatchObject({ leaving: true });
  frozen.agent.signal("SIGCONT");
  await eventually(() => frozen.slipway.reports.map(({ body }) => body)).toContainEqual(
    expect.objectContaining({ status: "terminated", termination_reason: "lost" }),
  );
});

test("a container that was made for a key and never started is not there any more for an engine to start", async () => {
  const { agent, agentId, unkeyed, whenLost } = await startGuarded();
  const create = async (name: string, scope: string) => {
    const labels = [`dev.slipway.scope=${scope}`, "dev.slipway.key=doc-2"];
    const args = labels.flatMap((label) => ["--label", label]);
    onTestFinished(async () => void (await docker("rm", "--force", name)));
    const created = await docker("create", "--name", name, ...args, `${image.repository}@${image.digest}`);
    expect(created.exitCode, created.output).toBe(0);
  };
  await create("made-by-us", agentId);
  await create("made-by-another", "another-agent");
  agent.signal("SIGKILL");
  expect(await whenLost()).toEqual([unkeyed]);
  const { stdout } = await docker("ps", "--all", "--format", "{{.Names}}");
  expect(stdout.split("\n")).not.toContain("made-by-us");
  expect(stdout.split("\n")).toContain("made-by-another");
});

test("containers with keys are dead in time although the engine hangs", async () => {
  const { agent, keyed, unkeyed, guard, whenLost } = await startGuarded();
  await eventually(() => guard.log()).toContain(`"pid":${keyed}`);
  const thaw = engine.freeze();
  onTestFinished(thaw);
  agent.signal("SIGKILL");
  expect(await whenLost()).toEqual([unkeyed]);
  expect(guard.log()).toContain('"process_killed":true');
  thaw();
});
