import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { vi } from "vitest";

type Stub = Parameters<typeof evictDurableObject>[0];

/** When the frozen clock of a test begins. */
export const frozenAt = Date.parse("2030-01-01T00:00:00Z");

/** Stops the clock. Alarms then ring when a test runs them, and not before. */
export function freezeClock(now = frozenAt): void {
  vi.useFakeTimers({ toFake: ["Date"], now });
}

/** Lets the clock run on by `ms` and the object do what is due then. @returns whether it had an alarm */
export async function passTime(stub: Stub, ms: number): Promise<boolean> {
  vi.setSystemTime(Date.now() + ms);
  return runDurableObjectAlarm(stub);
}

/**
 * Lets the clock run on by `ms` while the object's alarm rings whenever it is due, as it does while the control plane runs:
 * a jump over it is a stop. @returns whether it had an alarm
 */
export async function passTimeRunning(stub: Stub, ms: number): Promise<boolean> {
  const end = Date.now() + ms;
  let hadAlarm = false;
  for (;;) {
    const at = await alarmOf(stub);
    hadAlarm ||= at !== null;
    if (at === null || at > end) break;
    vi.setSystemTime(Math.max(at, Date.now()));
    await runDurableObjectAlarm(stub);
  }
  vi.setSystemTime(end);
  return hadAlarm;
}

/** Lets the clock run on by `ms` and the object do what is due then, and what falls due by that. */
export async function passTimeAndSettle(stub: Stub, ms: number): Promise<void> {
  vi.setSystemTime(Date.now() + ms);
  for (let rounds = 0; rounds < 20; rounds++) {
    const at = await alarmOf(stub);
    if (at === null || at > Date.now()) return;
    await runDurableObjectAlarm(stub);
  }
  throw new Error("the object never comes to rest");
}

/** When an object's alarm rings, null where it has none. */
export function alarmOf(stub: Stub): Promise<number | null> {
  return runInDurableObject(stub, (_, { storage }) => storage.getAlarm());
}

/** How long until an object wakes, in milliseconds. */
export async function wakesIn(stub: Stub): Promise<number> {
  const at = await alarmOf(stub);
  return at === null ? Number.POSITIVE_INFINITY : at - Date.now();
}

/** Takes a running object out of memory. Evicting waits by the clock, which must run while it does. */
export async function evict(stub: Stub): Promise<void> {
  const now = Date.now();
  vi.useRealTimers();
  await evictDurableObject(stub);
  freezeClock(now);
}

/**
 * Ends a running object as the end of its process does: what is under way is gone, and what was committed is kept. Unlike an
 * eviction it does not wait until nobody refers to the object any more.
 */
export async function kill(stub: Stub): Promise<void> {
  await runInDurableObject(stub, (_, { storage }) => storage.sync());
  await abort(stub);
}

/** The same without waiting until what was written is durable, which may be lost. */
export async function abort(stub: Stub): Promise<void> {
  await runInDurableObject(stub, (_, state) => state.abort("killed")).catch(() => null);
}
