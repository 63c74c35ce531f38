import { setTimeout as pause } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import { type BrokenRule, brokenByLives } from "../docker/engine-witness.ts";
import { whyNotWith } from "../programs.ts";
import { BackendEnds } from "./backend-ends.ts";
import { startContendedLoad } from "./contended-load.ts";
import {
  clusters,
  environments,
  type KillableDeployment,
  service,
  startKillableDeployment,
} from "./deployment.ts";
import type { KillableProcess } from "./process.ts";
import { type SeededRandom, seed, seededRandom } from "./seeded-random.ts";

const whyNot = whyNotWith("dockerd", "docker", "busybox");
const clients = 6;
/** Without what it takes to kill. */
const roundAtMostMs = 2_000;
/** On a busy machine. */
const roundOnAverageMs = 2_400;
/** The longest that a spawn can be on its way: seven attempts that time out and the times between them, 146 s in all. */
const settleWithinMs = 180_000;

/** Kills one process or several at once, after so many events of the engine or when there are none, and starts them again. */
async function killSome({ controlPlane, agents, witness }: KillableDeployment, random: SeededRandom) {
  const [one, two] = agents;
  const enough = witness.count() + random.int(0, 5);
  const options = { timeout: roundAtMostMs, interval: 5 };
  await vi.waitUntil(() => witness.count() >= enough, options).catch(() => undefined);
  await pause(random.pick([0, random.int(0, 200)]));
  const victims = random.pick<readonly KillableProcess[]>([
    [one],
    [two],
    [one, two],
    [controlPlane],
    [controlPlane],
    [controlPlane, random.pick(agents)],
    [controlPlane, one, two],
  ]);
  await Promise.all(victims.map((victim) => victim.kill()));
  for (const victim of victims) victim.start();
  await witness.look();
}

/** The violations, each with what the engine and the agents have logged of the backends. */
function storiesOf(broken: readonly BrokenRule[], { agents, witness }: KillableDeployment): string {
  const stories = broken.map(({ backendIds, rule }) => {
    const lives = witness.lives.filter(({ backendId }) => backendIds.includes(backendId));
    const lines = agents.flatMap(({ name, printed }) =>
      printed.filter((line) => backendIds.some((id) => line.includes(id))).map((line) => `${name}: ${line}`),
    );
    return [`${backendIds.join(", ")}: ${rule}`, ...lives.map((life) => JSON.stringify(life)), ...lines];
  });
  return stories.map((lines) => lines.join("\n  ")).join("\n");
}

/** Waits until every backend is in one end. @returns those that are not when it is given up */
async function openEnds(ends: BackendEnds, named: ReadonlySet<string>): Promise<BrokenRule[]> {
  const giveUpAt = performance.now() + settleWithinMs;
  for (;;) {
    const open = await ends.open(named);
    if (open.length === 0 || performance.now() > giveUpAt) return open;
    await pause(500);
  }
}

/**
 * A test that kills the agents and the control plane so many times. It prints the `SEED` that repeats its random
 * choices, though not their timing.
 */
export function testKills(rounds: number): void {
  test(`agents and the control plane are killed ${rounds} times under contending connects: no key has two containers, every backend comes to one end, and what was answered stays so`, {
    timeout: rounds * roundOnAverageMs + 2 * settleWithinMs,
  }, async ({ skip }) => {
    skip(whyNot !== null, whyNot ?? "");
    console.info(`SEED=${seed} ROUNDS=${rounds}`);
    const random = seededRandom(seed);
    await using deployment = await startKillableDeployment();
    const { api, controlPlane, agents, witness } = deployment;
    const options = { api, controlPlane, service, environments, clusters, clients };
    const load = startContendedLoad({ ...options, random: random.fork() });
    for (let round = 0; round < rounds; round++) await killSome(deployment, random);
    await load.stop();
    await Promise.all([controlPlane, ...agents].map((each) => each.serving()));

    const open = await openEnds(new BackendEnds(api, service, witness), load.named);
    expect(open, storiesOf(open, deployment)).toEqual([]);
    const broken = brokenByLives(witness.lives);
    expect(broken, storiesOf(broken, deployment)).toEqual([]);
    expect(witness.seenTwice).toEqual([]);

    const repeated = await Promise.all(load.promised.map((promised) => load.repeat(promised)));
    expect(repeated.filter((problem) => problem !== null)).toEqual([]);
    expect(load.odd).toEqual([]);
    expect([controlPlane, ...agents].map((each) => each.failure())).toEqual([null, null, null]);
    // That it was a load at all: some of the backends were ended before they ran.
    expect(witness.lives.length).toBeGreaterThan(rounds / 4);
    expect(load.promised.length).toBeGreaterThan(rounds / 2);
  });
}
