import { setTimeout as pause } from "node:timers/promises";
import { type Counts, counts } from "../counts.ts";
import { median } from "../statistics.ts";
import type { Workerd } from "../workerd.ts";
import type { Row } from "./rows.ts";
import type { World } from "./world.ts";

/** A state's process, with who sends it requests. */
export interface Side {
  workerd: Workerd;
  world: World;
}

const rounds = 3;
const warmUpsMax = 10;
const warmUpMaxMs = 1_000;
/** So much is measured at a time, at the least: processor time is read in ticks of 10 ms. */
const batchMs = 150;
const batchMax = 100;
/** What takes longer is measured once. */
const slowMs = 700;
/** Each needs something of its own that is there for it. */
const changesAtOnce = 15;
const countedRequests = 3;
const pollMs = 40;
/** A process that has used no processor time for so many polls has done what it had to do. */
const idlePolls = 4;
const settledWithinMs = 10_000;
/** An alarm that rings so soon belongs to the request. */
const soonMs = 300;

/**
 * The processor time of one request, in milliseconds, with the work that it leaves behind; of each side. They take turns,
 * so that what disturbs the machine for a while disturbs both.
 */
export async function cpuOfRequest(row: Row, sides: readonly Side[]): Promise<number[]> {
  const plans = [];
  for (const side of sides) plans.push({ side, batch: await warmUp(row, side), cpuMs: 0, sent: 0 });
  for (let round = 0; round < rounds; round++) {
    for (const plan of plans) {
      if (round > 0 && plan.batch === 1) continue;
      plan.cpuMs += await cpuOf(plan.side.workerd, async () => {
        for (let i = 0; i < plan.batch; i++) await row.act(plan.side.world);
      });
      plan.sent += plan.batch;
    }
  }
  return plans.map(({ cpuMs, sent }) => cpuMs / sent);
}

/** @returns how many requests make a batch */
async function warmUp(row: Row, { workerd, world }: Side): Promise<number> {
  const giveUpAt = performance.now() + warmUpMaxMs;
  let lastMs = 0;
  for (let i = 0; i < warmUpsMax && performance.now() < giveUpAt; i++) {
    const begun = performance.now();
    await row.act(world);
    lastMs = performance.now() - begun;
  }
  await settled(workerd);
  if (lastMs > slowMs) return 1;
  return row.writes ? changesAtOnce : Math.min(batchMax, Math.max(2, Math.ceil(batchMs / lastMs)));
}

/** The processor time that something takes, until nothing of it goes on. */
export async function cpuOf(workerd: Workerd, action: () => Promise<unknown>): Promise<number> {
  const before = await workerd.cpuMs();
  await action();
  await settled(workerd);
  return (await workerd.cpuMs()) - before;
}

/** Waits until a process is idle. Timers that are still to fire are not waited for. */
export async function settled(workerd: Workerd): Promise<void> {
  const giveUpAt = performance.now() + settledWithinMs;
  let last = await workerd.cpuMs();
  for (let idle = 0; idle < idlePolls && performance.now() < giveUpAt; ) {
    await pause(pollMs);
    const now = await workerd.cpuMs();
    idle = now === last ? idle + 1 : 0;
    last = now;
  }
}

/** The rows that one request reads, with the work that it leaves behind: the median of some, since alarms ring meanwhile. */
export async function rowsReadByRequest(row: Row, side: Side): Promise<number> {
  await row.act(side.world);
  const read: number[] = [];
  for (let i = 0; i < countedRequests; i++) read.push(await rowsReadBy(side, () => row.act(side.world)));
  return median(read);
}

/** The rows that are read by something and by the alarms that it sets for at once. */
export async function rowsReadBy({ workerd }: Side, action: () => Promise<unknown>): Promise<number> {
  const before = sum(await quietCounts(workerd));
  await action();
  return sum(await quietCounts(workerd)) - before;
}

/** What was counted when nothing goes on, nor will soon. */
async function quietCounts(workerd: Workerd): Promise<Counts> {
  const giveUpAt = performance.now() + settledWithinMs;
  for (;;) {
    await settled(workerd);
    const now = await countsOf(workerd);
    if (!now.pendingAlarmsMs.some((ms) => ms < soonMs)) return now;
    if (performance.now() > giveUpAt) throw new Error("alarms keep being set");
  }
}

async function countsOf({ origin }: Workerd): Promise<Counts> {
  return counts.parse(await (await fetch(`${origin}/bench/counts`)).json());
}

function sum({ rowsRead }: Counts): number {
  return Object.values(rowsRead).reduce((total, rows) => total + rows, 0);
}
