import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { freePort } from "../../../src/agent/runtimes/free-port.ts";
import { startAgentProcess } from "../../agent/support/agent-process.ts";
import { testFolder, testSlipway } from "../../agent/support/cluster.ts";
import { spawnData } from "../../agent/support/deliveries.ts";
import { eventually } from "../../agent/support/eventually.ts";
import { endLater, guardOf } from "../../agent/support/guards.ts";
import { runningOf } from "../process.ts";
import { type SeededRandom, seed, seededRandom } from "./seeded-random.ts";

/*
 * One key that passes between two agents, whose processes are killed and frozen. In the control plane's place is what
 * decides when a key may pass: so long after the last heartbeat, in the relation of the real limits.
 */
const leaseSeconds = 3;
const lostAfterMs = 6_000;
const clock = { heartbeatEveryMs: 200, leaseCheckEveryMs: 200 };
const lanes = 4;
const roundAtMostMs = 60_000;

/** What can happen to the holder's agent and its guard. */
const fates = ["agent killed", "agent frozen", "kept", "guard killed, then the agent"] as const;
const fatesOfBoth = [...fates, "both killed", "both frozen"] as const;
type Fate = (typeof fatesOfBoth)[number];

/** @param watchesLease whether the shells of backends watch the lease beside the guard */
async function makeSide(watchesLease: boolean) {
  const slipway = await testSlipway();
  const dir = await testFolder();
  endLater(dir);
  const guard = guardOf(join(dir, "state"));
  slipway.leaseSeconds = leaseSeconds;
  let heardAt = 0;
  slipway.interceptHeartbeat = async () => {
    heardAt = performance.now();
    return null;
  };
  const start = () => startAgentProcess(slipway, { dir, clock, watchesLease, guard: { restarts: false } });
  return { slipway, guard, start, agent: await start(), heardAt: () => heardAt };
}
type Side = Awaited<ReturnType<typeof makeSide>>;

async function befall(fate: Fate, { agent, guard }: Side): Promise<void> {
  if (fate === "kept") return agent.close("keep");
  if (fate === "guard killed, then the agent") await guard.started(guard.signal("SIGKILL"));
  if (fate === "both killed") guard.signal("SIGKILL");
  if (fate === "both frozen") guard.signal("SIGSTOP");
  if (fate.endsWith("frozen")) return void agent.pause();
  await agent.kill();
}

/** Lets the processes of a side go on, or starts them again, and waits until its agent has reported that end. */
async function recover(fate: Fate, side: Side, backendId: string): Promise<void> {
  if (fate.endsWith("frozen")) side.agent.resume();
  else side.agent = await side.start();
  if (fate === "both frozen") side.guard.signal("SIGCONT");
  expect(await side.agent.end(backendId)).toMatchObject({ status: "terminated" });
}

/** Spawns the holder of the lane's key, as often as the agent defers it. @returns its id and its process */
async function hold(side: Side, env: Record<string, string>, startsFile: string, token: number) {
  await side.guard.started();
  const data = spawnData("serve", { key: "doc", fencing_token: token, env });
  await eventually(async () => (await side.agent.deliver("backend.spawn", data)).status).toBe(200);
  await side.agent.reached(data.backend_id, "ready");
  return { id: data.backend_id, pid: Number(readFileSync(startsFile, "utf8").trim().split("\n").at(-1)) };
}

async function lane(rounds: number, watchesLease: boolean, random: SeededRandom): Promise<void> {
  const folder = await testFolder();
  const [startsFile, clashes] = [join(folder, "starts"), join(folder, "clashes")];
  const port = await freePort(new Set());
  const env = { STARTS_FILE: startsFile, WITNESS_FILE: clashes, WITNESS_PORT: String(port) };
  writeFileSync(clashes, "");
  let [holder, other] = [await makeSide(watchesLease), await makeSide(watchesLease)];
  let held = await hold(holder, env, startsFile, 1);
  for (let round = 1; round <= rounds; round++) {
    const fate = random.pick<Fate>(watchesLease ? fatesOfBoth : fates);
    await befall(fate, holder);
    await eventually(() => performance.now() - holder.heardAt()).toBeGreaterThan(lostAfterMs);
    expect(await runningOf([held.pid]), `${fate}: the old holder runs when the key passes on`).toEqual([]);
    const successor = await hold(other, env, startsFile, round + 1);
    await recover(fate, holder, held.id);
    expect(readFileSync(clashes, "utf8"), `${fate}: two held the key at once`).toBe("");
    expect(await runningOf([successor.pid])).toEqual([successor.pid]);
    [holder, other, held] = [other, holder, successor];
  }
}

/** A test in which so many holders of keys lose their agents. It prints the `SEED` that repeats what happens to them. */
export function testHolders(rounds: number): void {
  test.runIf(process.platform === "linux")(
    `agents and their guards are killed and frozen ${rounds} times: no key has two live processes`,
    { timeout: 60_000 + Math.ceil(rounds / lanes) * roundAtMostMs },
    async () => {
      console.info(`SEED=${seed} ROUNDS=${rounds}`);
      const random = seededRandom(seed);
      const each = Math.ceil(rounds / lanes);
      await Promise.all(Array.from({ length: lanes }, (_, i) => lane(each, i % 2 === 0, random.fork())));
    },
  );
}
