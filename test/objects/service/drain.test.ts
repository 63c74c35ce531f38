import { describe, expect, test } from "vitest";
import { recoveryDelayMs } from "../../../src/domain/limits.ts";
import { Drain, type Pending, type UnderWay } from "../../../src/objects/service/deliveries/drain.ts";

/** A drain by a clock that stands still, whose attempts end when the test has them end. */
function stoppedDrain() {
  const clock = { now: 1_000_000 };
  const drain = new Drain<string>(() => clock.now);
  const started: { id: string; end(outcome: string): void }[] = [];
  const attempt = (id: string) =>
    drain.joinOrStart(id, async ({ ended }) => {
      const { promise, resolve } = Promise.withResolvers<string>();
      started.push({ id, end: resolve });
      const outcome = await promise;
      ended();
      return outcome;
    });
  return {
    clock,
    drain,
    started,
    attempt,
    startedIds: () => started.map(({ id }) => id),
    startDue: async (...pending: Pending[]) => {
      const wakeAt = drain.startDue(pending, clock.now, ({ id }) => void attempt(id));
      await Promise.resolve();
      return wakeAt;
    },
    pending: (id: string, inMs: number | null): Pending => ({
      id,
      next_attempt_at: inMs === null ? null : clock.now + inMs,
    }),
  };
}

describe("what is pending", () => {
  test("is attempted once it is due, all of it at once", async () => {
    const { startDue, pending, startedIds } = stoppedDrain();
    await startDue(pending("past", -5), pending("now", 0), pending("later", 1), pending("never", null));
    expect(startedIds()).toEqual(["past", "now"]);
  });

  test("is not attempted twice at a time", async () => {
    const { startDue, pending, started, startedIds } = stoppedDrain();
    await startDue(pending("a", 0));
    await startDue(pending("a", 0));
    expect(startedIds()).toEqual(["a"]);
    started[0]?.end("failed");
    await Promise.resolve();
    await startDue(pending("a", 0));
    expect(startedIds()).toEqual(["a", "a"]);
  });

  test("is attempted again where an attempt has outlived every timeout, which then no longer counts", async () => {
    const { clock, drain, startDue, pending, started, startedIds } = stoppedDrain();
    await startDue(pending("a", 0));
    clock.now += recoveryDelayMs - 1;
    await startDue(pending("a", 0));
    expect(startedIds()).toEqual(["a"]);
    clock.now += 1;
    await startDue(pending("a", 0));
    expect(startedIds()).toEqual(["a", "a"]);
    started[0]?.end("late");
    await Promise.resolve();
    expect(drain.isUnderWay("a")).toBe(true);
  });

  test.for<[why: string, inMs: (number | null)[], wakeInMs: number | null]>([
    ["the next attempt", [7_000, 5_000, null], 5_000],
    ["the recovery of the attempts under way", [0, 60_000], recoveryDelayMs],
    ["nothing", [null], null],
    ["nothing at all", [], null],
  ])("is looked at again for %s", async ([, inMs, wakeInMs]) => {
    const { clock, startDue, pending } = stoppedDrain();
    const wakeAt = await startDue(...inMs.map((each, i) => pending(`${i}`, each)));
    expect(wakeAt).toBe(wakeInMs === null ? null : clock.now + wakeInMs);
  });

  test("is looked at again, where it is due and held back, when no attempt can be under way any more", async () => {
    const { clock, drain, pending } = stoppedDrain();
    expect(drain.startDue([pending("held back", -5)], clock.now, () => {})).toBe(clock.now + recoveryDelayMs);
  });
});

test("an attempt that waits for its turn is not lost, however long that takes, and has all of its time then", async () => {
  const clock = { now: 0 };
  const drain = new Drain<string>(() => clock.now);
  let underWay: UnderWay | undefined;
  void drain.joinOrStart("a", (its) => {
    underWay = its;
    its.waits();
    return new Promise(() => {});
  });
  await Promise.resolve();
  clock.now = 1_000_000;
  expect(drain.isUnderWay("a")).toBe(true);
  underWay?.sent();
  clock.now += recoveryDelayMs - 1;
  expect(drain.isUnderWay("a")).toBe(true);
  clock.now += 1;
  expect(drain.isUnderWay("a")).toBe(false);
});

describe("an attempt under way", () => {
  test("is joined, and has one outcome for all", async () => {
    const { attempt, started } = stoppedDrain();
    const outcomes = [attempt("a"), attempt("a")];
    await Promise.resolve();
    expect(started).toHaveLength(1);
    started[0]?.end("delivered");
    expect(await Promise.all(outcomes)).toEqual(["delivered", "delivered"]);
  });

  test("that ends at once is not joined any more", async () => {
    const { drain } = stoppedDrain();
    const attempt = async ({ ended }: UnderWay) => {
      ended();
      return "delivered";
    };
    await drain.joinOrStart("a", attempt);
    expect(drain.isUnderWay("a")).toBe(false);
  });
});
