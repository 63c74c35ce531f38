import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isAlive } from "../../../src/domain/backends/lease.ts";
import {
  isPresenceDue,
  nextWatch,
  putOffUntil,
  type Watch,
  watchAt,
} from "../../../src/domain/backends/watch.ts";
import {
  absentAfterMs,
  alarmLateMs,
  clusterLostAfterMs,
  heartbeatEveryMs,
  watchEveryMs,
} from "../../../src/domain/limits.ts";

const start = 1_000_000;
const minute = 60_000;

/** One cluster's watch as its object keeps it: heartbeats arrive and alarms ring only while the control plane runs. */
function simulate(stop: { atMs: number; forMs: number } | null, agentLastsMs: number, untilMs: number) {
  const isAway = (at: number) =>
    stop !== null && at > start + stop.atMs && at < start + stop.atMs + stop.forMs;
  const backAt = start + (stop ? stop.atMs + stop.forMs : 0);
  let watch: Watch = { from: start, presentAt: start };
  let lastHeartbeatAt = start;
  let alarmAt: number | null = start + watchEveryMs;
  for (let now = start; now <= start + untilMs; now += 1_000) {
    if (isAway(now)) continue;
    const present = { ...watch, presentAt: Math.max(watch.presentAt, lastHeartbeatAt) };
    if ((now - start) % heartbeatEveryMs === 0 && now - start <= agentLastsMs) {
      watch = watchAt(present, now);
      lastHeartbeatAt = now;
    }
    if (alarmAt !== null && now >= alarmAt) {
      const seen = watchAt({ ...watch, presentAt: Math.max(watch.presentAt, lastHeartbeatAt) }, now);
      watch = seen.from !== watch.from || isPresenceDue(seen, now) ? { ...seen, presentAt: now } : watch;
      const silentSince = Math.max(lastHeartbeatAt, watch.from);
      if (!isAlive({ silentSince }, now)) return { lostAt: now, backAt };
      alarmAt = nextWatch({ ...watch, presentAt: Math.max(watch.presentAt, lastHeartbeatAt) }, [
        { silentSince },
      ]);
    }
  }
  return { lostAt: null, backAt };
}

describe("a cluster", () => {
  test.for([1, 3, 60])(
    "whose agent lives is not lost when the control plane stops for %i minutes",
    (minutes) => {
      for (let atMs = 0; atMs <= 70_000; atMs += 1_000) {
        const stop = { atMs, forMs: minutes * minute };
        expect(simulate(stop, Number.POSITIVE_INFINITY, atMs + (minutes + 5) * minute).lostAt).toBeNull();
      }
    },
  );

  test("whose agent died is lost 60 s after its last heartbeat where the control plane runs", () => {
    expect(simulate(null, 120_000, 10 * minute).lostAt).toBe(start + 120_000 + clusterLostAfterMs);
  });

  test("has a whole limit after every stop that is longer than a lease, and is lost after that", () => {
    const stops = fc.record({
      atMs: fc.integer({ min: 0, max: 119 }).map((seconds) => seconds * 1_000),
      forMs: fc.integer({ min: absentAfterMs / 1_000 + 2, max: 3_600 }).map((seconds) => seconds * 1_000),
    });
    fc.assert(
      fc.property(stops, fc.integer({ min: 0, max: 12 }), (stop, beats) => {
        const { lostAt, backAt } = simulate(
          stop,
          beats * heartbeatEveryMs,
          stop.atMs + stop.forMs + 5 * minute,
        );
        if (lostAt === null) throw new Error("never lost");
        if (lostAt > start + stop.atMs) expect(lostAt).toBeGreaterThanOrEqual(backAt + clusterLostAfterMs);
        const silentAt = Math.max(backAt, start + beats * heartbeatEveryMs);
        expect(lostAt).toBeLessThanOrEqual(silentAt + clusterLostAfterMs + alarmLateMs);
      }),
    );
  });
});

describe("a deadline", () => {
  test("is met by an alarm that rings in time, or a little late", () => {
    expect(putOffUntil(start, start)).toBeNull();
    expect(putOffUntil(start, start + alarmLateMs)).toBeNull();
  });

  test.for([1, 3, 60])(
    "that passed in a stop of %i minutes is put off, so that reports can come first",
    (minutes) => {
      const now = start + minutes * minute;
      expect(putOffUntil(start, now)).toBe(now + clusterLostAfterMs);
    },
  );
});

describe("the moments of a watch", () => {
  const watch: Watch = { from: start, presentAt: start };

  test.for([
    [watchEveryMs - 1, false],
    [watchEveryMs, true],
    [watchEveryMs + 1, true],
  ] as const)("%i ms after a sign of life another is due: %s", ([ms, due]) => {
    expect(isPresenceDue(watch, start + ms)).toBe(due);
  });

  test.for([
    [absentAfterMs, start],
    [absentAfterMs + 1, start + absentAfterMs + 1],
  ] as const)("%i ms after one the watch is from %i on", ([ms, from]) => {
    expect(watchAt(watch, start + ms).from).toBe(from);
  });

  test("the next is the first of its own sign of life and of what would lose an agent, and none without agents", () => {
    const early = start - clusterLostAfterMs + 5_000;
    expect(nextWatch(watch, [])).toBeNull();
    expect(nextWatch(watch, [{ silentSince: start }])).toBe(
      start + Math.min(watchEveryMs, clusterLostAfterMs),
    );
    expect(nextWatch(watch, [{ silentSince: start }, { silentSince: early }])).toBe(start + 5_000);
  });
});
