import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import {
  recoveryDelayMs,
  slowAnswerMs,
  spawnsBeforeOthers,
  webhooksAtOnce,
  webhooksAtOnceToSlow,
} from "../../src/domain/limits.ts";
import { type Lane, SendQueue, type Turn } from "../../src/objects/webhooks/send-queue.ts";

/** A queue by a clock that the test sets, with what was sent and is not answered. */
function queueWithClusters(clusters: number) {
  const clock = { now: 1_000_000 };
  const queue = new SendQueue(
    () => clock.now,
    () => clusters > 1,
  );
  const underWay: { id: number; cluster: string; turn: Turn; sentAt: number }[] = [];
  const sent: number[] = [];
  let requested = 0;
  return {
    clock,
    underWay,
    sent,
    requested: () => requested,
    of: (cluster: string) => underWay.filter((one) => one.cluster === cluster),
    async request(cluster: string, lane: Lane = "spawns", withinMs: number | null = null) {
      const id = requested++;
      const granted = queue.turn(cluster, lane, withinMs);
      const begin = (turn: Turn | null) => {
        if (!turn) return;
        sent.push(id);
        underWay.push({ id, cluster, turn, sentAt: clock.now });
      };
      if (granted instanceof Promise) void granted.then(begin);
      else begin(granted);
      await settled();
    },
    async end(i: number, how: keyof Turn) {
      const [one] = underWay.splice(i, 1);
      one?.turn[how]();
      await settled();
    },
  };
}

/** Until those have begun whose turn it is. */
const settled = () => Promise.resolve().then(() => Promise.resolve());

const command = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("request" as const),
      cluster: fc.constantFrom("a", "b", "c", "d"),
      lane: fc.constantFrom<Lane>("spawns", "others"),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("end" as const),
      which: fc.nat(20),
      how: fc.constantFrom<keyof Turn>("answered", "timedOut", "unused"),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.nat(3_000) }) },
);

describe("whatever is requested and answered in whatever order", () => {
  test("there are never more under way than may be, and everything is sent in the end, once", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 120 }), async (commands) => {
        const q = queueWithClusters(4);
        const { clock } = q;
        for (const step of commands) {
          const before = new Map(["a", "b", "c", "d"].map((cluster) => [cluster, q.of(cluster).length]));
          if (step.do === "request") await q.request(step.cluster, step.lane);
          else if (step.do === "end" && q.underWay.length > 0) {
            await q.end(step.which % q.underWay.length, step.how);
          } else if (step.do === "wait") clock.now += step.ms;
          // What no answer will come to any more is not counted; the test ends it too.
          for (let i = q.underWay.length - 1; i >= 0; i--) {
            if (clock.now - (q.underWay[i]?.sentAt ?? 0) >= recoveryDelayMs) await q.end(i, "timedOut");
          }
          expect(q.underWay.length).toBeLessThanOrEqual(webhooksAtOnce);
          for (const [cluster, count] of before) {
            const now = q.of(cluster);
            expect(now.length).toBeLessThanOrEqual(webhooksAtOnce - 1);
            const isSlow = now.some(({ sentAt }) => clock.now - sentAt >= slowAnswerMs);
            if (isSlow && now.length > count) expect(now.length).toBeLessThanOrEqual(webhooksAtOnceToSlow);
          }
        }
        for (let left = q.requested(); left > 0 && q.underWay.length > 0; left--) await q.end(0, "answered");
        expect([...q.sent].sort((a, b) => a - b)).toEqual(
          Array.from({ length: q.requested() }, (__, i) => i),
        );
      }),
      { numRuns: 300 },
    );
  });

  test("what a cluster is sent in one lane is sent in the order of its requests", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(5), { maxLength: 60 }), async (ends) => {
        const q = queueWithClusters(1);
        for (const end of ends) {
          await q.request("a");
          await q.request("a");
          if (q.underWay.length > 0) await q.end(end % q.underWay.length, "answered");
        }
        expect(q.sent).toEqual([...q.sent].sort((a, b) => a - b));
      }),
    );
  });
});

describe("a cluster that hangs", () => {
  test("holds up no other: all that others are sent gets through while it answers nothing", async () => {
    const q = queueWithClusters(3);
    for (const cluster of ["a", "b", "c"]) {
      await q.request(cluster);
      await q.end(0, "answered");
    }
    for (let i = 0; i < 20; i++) for (const cluster of ["a", "b", "c"]) await q.request(cluster);
    for (;;) {
      const next = q.underWay.findIndex(({ cluster }) => cluster !== "a");
      if (next === -1) break;
      await q.end(next, "answered");
      q.clock.now += 10;
    }
    expect(q.sent).toHaveLength(3 + 40 + q.of("a").length);
    expect(q.of("a").length).toBeLessThan(webhooksAtOnce);
  });

  test("is sent one at a time once it has not answered in time, until one gets through", async () => {
    const q = queueWithClusters(2);
    for (let i = 0; i < 10; i++) await q.request("a");
    expect(q.underWay).toHaveLength(webhooksAtOnceToSlow);
    await q.end(0, "timedOut");
    await q.end(0, "timedOut");
    expect(q.underWay).toHaveLength(1);
    await q.end(0, "timedOut");
    expect(q.underWay).toHaveLength(1);
    await q.end(0, "answered");
    expect(q.underWay).toHaveLength(webhooksAtOnce - 1);
  });

  test("counts no longer once its webhooks have outlived every timeout", async () => {
    const q = queueWithClusters(2);
    await q.request("a");
    await q.request("a");
    await q.request("a");
    expect(q.sent).toHaveLength(webhooksAtOnceToSlow);
    q.clock.now += recoveryDelayMs;
    await q.request("a");
    expect(q.sent).toEqual([0, 1, 2]);
  });
});

describe("turns are taken", () => {
  test("between clusters, whoever has more that waits", async () => {
    const q = queueWithClusters(2);
    await q.request("a");
    await q.end(0, "answered");
    await q.request("b");
    await q.end(0, "answered");
    for (let i = 0; i < 20; i++) await q.request("a");
    for (let i = 0; i < 3; i++) await q.request("b");
    for (let i = 0; i < 5; i++) await q.end(0, "answered");
    expect(q.sent.slice(0, 11)).toEqual(expect.arrayContaining([22, 23, 24]));
  });

  test("between spawns and everything else, which has one for each few spawns", async () => {
    const q = queueWithClusters(1);
    await q.request("a");
    await q.end(0, "answered");
    for (let i = 0; i < 5; i++) await q.request("a");
    const others = [6, 7];
    for (const _ of others) await q.request("a", "others");
    for (let i = 0; i < 12; i++) await q.request("a");
    while (q.underWay.length > 0) await q.end(0, "answered");
    const at = others.map((id) => q.sent.indexOf(id));
    expect((at[1] ?? 0) - (at[0] ?? 0)).toBe(spawnsBeforeOthers + 1);
  });

  test("by nobody that has waited for too long, who makes room for nobody else", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      const q = queueWithClusters(2);
      for (let i = 0; i < 2; i++) await q.request("a");
      await q.request("a", "spawns", 10_000);
      await q.request("a");
      vi.advanceTimersByTime(10_000);
      await settled();
      await q.end(0, "answered");
      expect(q.sent).toEqual([0, 1, 3]);
    } finally {
      vi.useRealTimers();
    }
  });
});
