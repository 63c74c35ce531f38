import { describe, expect, test } from "vitest";
import {
  ClusterLease,
  isHeld,
  type Lease,
  LeaseGuard,
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

/** A guarded lease on a clock that the test sets. */
function onClock(kept: Lease | null) {
  const happened: string[] = [];
  const clock = { nowMs: lease.sentAtMs };
  const held = new ClusterLease({
    lease: kept,
    now: () => clock.nowMs,
    keep: ({ sentAtMs }) => happened.push(`keep ${sentAtMs}`),
  });
  const guard = new LeaseGuard({
    lease: held,
    fence: () => happened.push("fence"),
    log: (event) => happened.push(event),
  });
  return { clock, happened, lease: held, guard };
}

test("a lease that runs out is said once, and fenced at every look", () => {
  const { clock, happened, guard } = onClock(lease);
  clock.nowMs = 45_999;
  guard.check();
  expect(happened).toEqual([]);
  clock.nowMs = 46_000;
  guard.check();
  guard.check();
  expect(happened).toEqual(["lease.lost", "fence", "fence"]);
});

test("a heartbeat that is acknowledged after the lease has run out does not spare what it guarded", () => {
  const { clock, happened, lease: held, guard } = onClock(lease);
  clock.nowMs = 600_000;
  guard.renew({ sentAtMs: 599_990, forMs: 45_000 });
  expect(happened).toEqual(["lease.lost", "fence", "keep 599990", "lease.held"]);
  expect(held.held).toBe(true);
});

test("an answer that was on its way for longer than it promises renews nothing", () => {
  const { clock, happened, lease: held, guard } = onClock(null);
  clock.nowMs = 50_000;
  guard.renew({ sentAtMs: 1_000, forMs: 45_000 });
  expect(held.held).toBe(false);
  expect(happened).not.toContain("lease.held");
});

test("a lease that is renewed in time is not fenced", () => {
  const { clock, happened, lease: held, guard } = onClock(lease);
  clock.nowMs = 40_000;
  guard.renew({ sentAtMs: 39_000, forMs: 45_000 });
  clock.nowMs = 83_999;
  guard.check();
  expect([happened, held.held]).toEqual([["keep 39000"], true]);
});
