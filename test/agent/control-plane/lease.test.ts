import { describe, expect, test } from "vitest";
import {
  ClusterLease,
  isHeld,
  type Lease,
  leaseAfterRestart,
  renewed,
} from "../../../src/agent/control-plane/lease.ts";

const lease = { sentAtMs: 1_000, forMs: 45_000 };

describe("a lease is held", () => {
  test.for([
    [lease, 1_000, true],
    [lease, 45_999, true],
    [lease, 46_000, false],
    [lease, 999, false],
    [null, 1_000, false],
    [{ sentAtMs: 1_000, forMs: 0 }, 1_000, false],
    [{ sentAtMs: 1_000, forMs: -5 }, 1_000, false],
  ] as const)("%o at %i: %s", ([given, nowMs, held]) => {
    expect(isHeld(given, nowMs)).toBe(held);
  });
});

test("the answer to a later heartbeat takes the place of an earlier one's, shorter or not", () => {
  const later = { sentAtMs: 2_000, forMs: 10 };
  expect(renewed(lease, later)).toEqual(later);
  expect(renewed(null, lease)).toEqual(lease);
});

test("of heartbeats that overlap, the late answer to the earlier one changes nothing", () => {
  expect(renewed({ sentAtMs: 2_000, forMs: 45_000 }, { sentAtMs: 1_000, forMs: 999_000 })).toEqual({
    sentAtMs: 2_000,
    forMs: 45_000,
  });
});

test.for([
  ["a", "a", true],
  ["a", "b", false],
  [null, "a", false],
  ["a", null, false],
  [null, null, false],
] as const)("a lease of boot %s is good in boot %s: %s", ([kept, boot, isGood]) => {
  expect(leaseAfterRestart({ ...lease, boot: kept }, boot)).toEqual(isGood ? lease : null);
});

test("without a lease kept there is none after a restart", () => {
  expect(leaseAfterRestart(null, "a")).toBeNull();
});

/** A lease on a clock that the test sets. */
function onClock(kept: Lease | null) {
  const happened: string[] = [];
  const at = { nowMs: lease.sentAtMs, isFencing: false, fails: false };
  const held = new ClusterLease({
    lease: kept,
    now: () => at.nowMs,
    keep({ sentAtMs }) {
      if (at.fails) throw new Error("the disk is gone");
      happened.push(`keep ${sentAtMs}`);
    },
    fence: () => happened.push("fence"),
    isFencing: () => at.isFencing,
    log: (event) => happened.push(event),
  });
  return { at, happened, lease: held };
}

test("a lease that runs out is said once, and fenced at every look", () => {
  const { at, happened, lease: held } = onClock(lease);
  at.nowMs = 45_999;
  expect(held.check()).toBe(true);
  expect(happened).toEqual([]);
  at.nowMs = 46_000;
  expect([held.check(), held.check()]).toEqual([false, false]);
  expect(happened).toEqual(["lease.lost", "fence", "fence"]);
});

test("a heartbeat that is acknowledged after the lease has run out does not spare what it guarded", () => {
  const { at, happened, lease: held } = onClock(lease);
  at.nowMs = 600_000;
  held.renew({ sentAtMs: 599_990, forMs: 45_000 });
  expect(happened).toEqual(["lease.lost", "fence", "keep 599990", "lease.held"]);
  expect(held.check()).toBe(true);
});

test("an answer that was on its way for longer than it promises renews nothing", () => {
  const { at, happened, lease: held } = onClock(null);
  at.nowMs = 50_000;
  held.renew({ sentAtMs: 1_000, forMs: 45_000 });
  expect(held.check()).toBe(false);
  expect(happened).not.toContain("lease.held");
});

test("a lease that is renewed in time is not fenced", () => {
  const { at, happened, lease: held } = onClock(lease);
  at.nowMs = 40_000;
  held.renew({ sentAtMs: 39_000, forMs: 45_000 });
  at.nowMs = 83_999;
  expect([held.check(), happened]).toEqual([true, ["keep 39000"]]);
});

test("a new lease is kept, and grants keys, only once all that was fenced has ended", () => {
  const { at, happened, lease: held } = onClock(lease);
  Object.assign(at, { nowMs: 100_000, isFencing: true });
  held.renew({ sentAtMs: 99_000, forMs: 45_000 });
  expect([held.check(), held.grants()]).toEqual([true, false]);
  expect(happened).toEqual(["lease.lost", "fence", "lease.held"]);
  at.isFencing = false;
  expect(held.grants()).toBe(true);
  expect(happened.at(-1)).toBe("keep 99000");
});

test("a lease that cannot be kept grants nothing, since whoever watches it would end that", () => {
  const { at, happened, lease: held } = onClock(lease);
  expect(held.grants()).toBe(true);
  Object.assign(at, { nowMs: 2_000, fails: true });
  held.renew({ sentAtMs: 1_500, forMs: 45_000 });
  expect([held.check(), held.grants()]).toEqual([true, false]);
  at.fails = false;
  expect(held.grants()).toBe(true);
  expect(happened).toEqual(["keep 1000", "lease.not_kept", "lease.not_kept", "keep 1500"]);
});
