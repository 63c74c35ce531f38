import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { clusterLostAfterMs, leaseSeconds } from "../../../src/domain/limits.ts";
import { runningOf } from "../../support/process.ts";
import { importsOf } from "../../support/rooms/imports.ts";
import { spawnData } from "../support/deliveries.ts";
import { eventually } from "../support/eventually.ts";
import { endLater, guardOf, guardPid } from "../support/guards.ts";
import type { ImageName } from "../support/images.ts";
import { theCase } from "../support/killable.ts";

const source = new URL("../../../src/agent/guard/guard.ts", import.meta.url);
const text = readFileSync(source, "utf8");
const hasGuard = process.platform === "linux";

test("the guard needs nothing but Node: not the rest of the agent, and no package", () => {
  const imports = importsOf(text);
  expect(imports.length).toBeGreaterThan(0);
  expect(imports.filter((specifier) => !specifier.startsWith("node:"))).toEqual([]);
});

test("the guard has fenced, an engine that hangs included, before a cluster is taken for lost", () => {
  const constant = (name: string) =>
    Number(new RegExp(`const ${name} = ([\\d_]+)`).exec(text)?.[1]?.replaceAll("_", ""));
  // A list that is late, and a kill that gets no answer; what is observed before ends with the lease.
  const fencedAfterMs = leaseSeconds * 1000 + constant("turnMs") + 2 * constant("engineTimeoutMs");
  expect(fencedAfterMs).toBeLessThan(clusterLostAfterMs);
});

/** An agent with a guard, and one backend with a key and one without that are ready. */
async function guarded(options: { leaseSeconds?: number; restarts?: boolean; image?: ImageName } = {}) {
  const { leaseSeconds = 2, restarts = false, image = "serve" } = options;
  const at = await theCase(image, { key: "doc-123" });
  endLater(at.dir);
  const guard = guardOf(join(at.dir, "state"));
  at.slipway.leaseSeconds = leaseSeconds;
  const agent = await at.start({ guard: { restarts } });
  await guard.started();
  const unkeyed = spawnData(image, { key: null, env: at.data.env });
  await eventually(async () => (await agent.deliver("backend.spawn", at.data)).status).toBe(200);
  await agent.reached(at.id, "ready");
  await agent.deliver("backend.spawn", unkeyed);
  await agent.reached(unkeyed.backend_id, "ready");
  const [keyedPid = 0, unkeyedPid = 0] = at.starts();
  return { at, agent, guard, keyedPid, unkeyedPid };
}

test.for([
  ["nothing that watches the lease", false, "proof"],
  ["shells that watch the lease", true, undefined],
] as const)(
  "an agent without a guard and with %s says in heartbeats what its keys need",
  async ([, watchesLease, fence]) => {
    const at = await theCase("serve");
    await at.start({ watchesLease });
    await eventually(() => at.slipway.heartbeats.length).toBeGreaterThan(0);
    expect(at.slipway.heartbeats.map((heartbeat) => heartbeat.fence)).toContain(fence);
    expect(guardPid(join(at.dir, "state"))).toBeNull();
  },
);

describe.runIf(hasGuard)("the guard", () => {
  test.for([
    ["is killed", "SIGKILL"],
    ["is frozen", "SIGSTOP"],
  ] as const)(
    "kills what has a key, and nothing else, when the agent %s and its lease runs out",
    async ([, signal]) => {
      const { at, agent, unkeyedPid } = await guarded();
      process.kill(agent.pid, signal);
      await eventually(at.running).toEqual([unkeyedPid]);
    },
  );

  test("goes on when it was frozen itself", async () => {
    const { at, agent, guard, keyedPid, unkeyedPid } = await guarded();
    guard.signal("SIGSTOP");
    agent.pause();
    const frozenAt = performance.now();
    // A true wait: the lease runs out by the kernel's clock.
    await eventually(() => performance.now() - frozenAt).toBeGreaterThan(2_500);
    expect(await at.running()).toContain(keyedPid);
    guard.signal("SIGCONT");
    await eventually(at.running).toEqual([unkeyedPid]);
  });

  test("is started again by the agent when it was killed, and then guards what was there before", async () => {
    const { at, agent, guard, unkeyedPid } = await guarded();
    const first = guard.signal("SIGKILL");
    await guard.started(first);
    await agent.kill();
    await eventually(at.running).toEqual([unkeyedPid]);
  });

  test("is replaced by the agent when it hangs", { timeout: 90_000 }, async () => {
    const { at, agent, guard, unkeyedPid } = await guarded();
    const hanging = guard.signal("SIGSTOP");
    await expect.poll(guard.pid, { timeout: 60_000 }).not.toBe(hanging);
    await guard.started(hanging);
    expect(await runningOf([hanging])).toEqual([]);
    await agent.kill();
    await eventually(at.running).toEqual([unkeyedPid]);
  });

  test("is in heartbeats: without one they say that keys need a proof", async () => {
    const { at, guard } = await guarded({ leaseSeconds: 45 });
    const fences = () => at.slipway.heartbeats.map(({ fence }) => fence ?? "lease");
    await eventually(() => fences().at(-1)).toBe("lease");
    const first = guard.signal("SIGKILL");
    await eventually(() => fences().at(-1)).toBe("proof");
    await guard.started(first);
    await eventually(() => fences().at(-1)).toBe("lease");
  });

  test("stays when the agent leaves its backends, who says so last, and the next agent has the same", async () => {
    const { at, agent, guard, keyedPid, unkeyedPid } = await guarded({ leaseSeconds: 10 });
    const pid = guard.pid();
    await agent.close("keep");
    expect(at.slipway.heartbeats.at(-1)).toMatchObject({ leaving: true });
    expect(await at.running()).toEqual([keyedPid, unkeyedPid].toSorted((a, b) => a - b));
    const next = await at.start({ guard: { restarts: false } });
    await next.reached(at.id, "ready");
    expect([guard.pid(), await guard.isRunning()]).toEqual([pid, true]);
    await next.close("keep");
    await eventually(at.running).toEqual([unkeyedPid]);
    expect(await guard.isRunning()).toBe(true);
  });

  test("ends with an agent that ends its backends", async () => {
    const { agent, guard } = await guarded();
    await agent.close("end");
    expect(await guard.isRunning()).toBe(false);
  });

  test("ends when the folder is gone that it guards", async () => {
    const { at, agent, guard } = await guarded();
    await agent.kill();
    await rm(join(at.dir, "state"), { recursive: true });
    await eventually(guard.isRunning).toBe(false);
  });

  test("starts an agent again that was killed: within the lease nothing ends", async () => {
    const { at, agent, guard, keyedPid, unkeyedPid } = await guarded({ leaseSeconds: 40, restarts: true });
    const { length } = at.slipway.heartbeats;
    await agent.kill();
    await eventually(() => at.slipway.heartbeats.length).toBeGreaterThan(length + 1);
    expect((await at.running()).toSorted()).toEqual([keyedPid, unkeyedPid].toSorted());
    expect(guard.log()).toContain("guard.agent_started");
  });

  test("starts no agent again that was killed while it stopped", async () => {
    const { at, agent, guard, unkeyedPid } = await guarded({ restarts: true, image: "ignore-sigterm" });
    void agent.close("end");
    await eventually(async () => (await fetch(`${agent.url}/healthz`)).status).toBe(503);
    await agent.kill();
    await eventually(at.running).toEqual([unkeyedPid]);
    expect(guard.log()).not.toContain("guard.agent_ended");
  });

  test("is one alone, however many are started", async () => {
    const { at, guard } = await guarded();
    const args = [source.pathname, join(at.dir, "state"), "for-agent"];
    expect(spawnSync(process.execPath, args).status).toBe(3);
    expect(await guard.isRunning()).toBe(true);
  });
});
