import fc from "fast-check";
import { expect, test } from "vitest";
import { judgeTouch, mustBeTouched } from "../../../src/domain/deliveries/touch.ts";
import { heartbeatInTransitMs, leaseSeconds, touchedAfterIdleShare } from "../../../src/domain/limits.ts";
import { BackendActivity } from "../../../src/objects/service/backends/activity.ts";

const row = { id: "k3f9q7h3kq2m9", created_at: 1_900_000_000_000 };

test("what is known of a backend's activity is the latest sign, and its spawn where there is none", () => {
  const activity = new BackendActivity();
  const at = row.created_at;
  expect(activity.activeAt(row)).toBe(at);
  activity.touched(row.id, at + 50_000);
  expect(activity.activeAt(row)).toBe(at + 50_000);
  activity.listed(row.id, 5, at + 90_000);
  expect(activity.activeAt(row)).toBe(at + 85_000 - heartbeatInTransitMs);
  activity.listed(row.id, 100, at + 100_000);
  activity.listed(row.id, undefined, at + 200_000);
  activity.touched(row.id, at + 60_000);
  expect(activity.activeAt(row)).toBe(at + 85_000 - heartbeatInTransitMs);
  activity.forget(row.id);
  expect(activity.activeAt(row)).toBe(at);
});

test("a backend is listed for as long as the lease after it was on a list", () => {
  const activity = new BackendActivity();
  const at = row.created_at;
  expect(activity.isListed(row.id, at)).toBe(false);
  activity.listed(row.id, undefined, at);
  activity.touched(row.id, at + 1);
  expect(activity.isListed(row.id, at + leaseSeconds * 1000 - 1)).toBe(true);
  expect(activity.isListed(row.id, at + leaseSeconds * 1000)).toBe(false);
});

/** The agent's side: one backend, as it becomes ready, is used, touched and swept. */
class Agent {
  connections = 0;
  #idleFrom = Number.POSITIVE_INFINITY;
  readonly #idleMs: number;

  constructor(idleMs: number) {
    this.#idleMs = idleMs;
  }

  sweptAt(): number {
    return this.connections > 0 ? Number.POSITIVE_INFINITY : this.#idleFrom + this.#idleMs;
  }

  restart(now: number): void {
    if (this.sweptAt() > now) this.#idleFrom = now;
  }

  idleSeconds(now: number): number {
    return this.connections > 0 ? 0 : Math.ceil((now - this.#idleFrom) / 1000);
  }
}

const ms = (max: number) => fc.integer({ min: 0, max });
const steps = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant("pass" as const), ms: ms(60_000) }) },
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant("beat" as const), transitMs: ms(heartbeatInTransitMs) }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constant("connect" as const), thereMs: ms(3_000), backMs: ms(3_000) }),
    },
    fc.record({ do: fc.constantFrom("open" as const, "close" as const, "evict" as const) }),
  ),
  { maxLength: 60 },
);

test("whatever happens in whatever order, what is handed out is not swept before its client has had half of its idle time", () => {
  let handedOut = 0;
  const property = fc.property(
    ms(200_000),
    fc.integer({ min: 1, max: 600 }),
    steps,
    (startMs, maxIdleSeconds, all) => {
      const agent = new Agent(maxIdleSeconds * 1000);
      let activity = new BackendActivity();
      let now = row.created_at;
      let beats: { at: number; idleSeconds: number }[] = [];
      const pass = (by: number) => {
        now += by;
        const arrived = beats.filter(({ at }) => at <= now);
        beats = beats.filter(({ at }) => at > now);
        for (const { at, idleSeconds } of arrived) activity.listed(row.id, idleSeconds, at);
      };
      pass(startMs);
      agent.restart(now);
      for (const step of all) {
        if (agent.sweptAt() <= now) return;
        switch (step.do) {
          case "pass":
            pass(step.ms);
            break;
          case "beat":
            beats.push({ at: now + step.transitMs, idleSeconds: agent.idleSeconds(now) });
            break;
          case "open":
            agent.connections++;
            break;
          case "close":
            if (agent.connections === 0) break;
            agent.connections--;
            agent.restart(now);
            break;
          case "evict":
            activity = new BackendActivity();
            break;
          case "connect": {
            const known = { maxIdleSeconds, activeAt: activity.activeAt(row) };
            let mustLiveUntil = now + maxIdleSeconds * 1000 * touchedAfterIdleShare;
            if (mustBeTouched(known, now)) {
              const sentAt = now;
              pass(step.thereMs);
              const status = agent.sweptAt() > now ? 200 : 410;
              agent.restart(now);
              mustLiveUntil = now + maxIdleSeconds * 1000;
              pass(step.backMs);
              const answer = {
                outcome: "response",
                status,
                body: "{}",
                date: null,
                retryAfter: null,
              } as const;
              if (judgeTouch({ ...answer, location: null }, false) !== "alive") return;
              activity.touched(row.id, sentAt);
            }
            handedOut++;
            expect(agent.sweptAt()).toBeGreaterThanOrEqual(mustLiveUntil);
          }
        }
      }
    },
  );
  fc.assert(property, { numRuns: 2_000 });
  expect(handedOut).toBeGreaterThan(1_000);
});
