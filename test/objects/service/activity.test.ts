import fc from "fast-check";
import { expect, test } from "vitest";
import { judgeTouch, mustBeTouched } from "../../../src/domain/deliveries/touch.ts";
import { heartbeatInTransitMs, leaseSeconds, touchedAfterIdleShare } from "../../../src/domain/limits.ts";
import { AgentList } from "../../../src/objects/cluster/liveness/agent-list.ts";
import { BackendActivity } from "../../../src/objects/service/backends/activity.ts";
import { idleSecondsOf, Listings } from "../../../src/objects/service/backends/listings.ts";
import type { KeptBackend } from "../../../src/objects/service/sql/service.sql.ts";
import type { ListedBackend } from "../../../src/protocol/v3/agent.ts";
import { ListDigest, useOf } from "../../../src/protocol/v3/list-digest.ts";

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

/** One backend, as it is used while its agent's heartbeats are received, lost or handed on late. */
const uses = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant("pass" as const), ms: ms(20_000) }),
    fc.record({ do: fc.constantFrom("open" as const, "close" as const, "restart" as const) }),
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant("beat" as const),
        isChange: fc.boolean(),
        isHandedOn: fc.boolean(),
        evictsService: fc.boolean(),
      }),
    },
  ),
  { maxLength: 40, size: "max" },
);

test("of a list of which only changes are sent and handed on no more activity is taken to be known than there was", () => {
  let later = 0;
  const property = fc.property(uses, (taken) => {
    let now = row.created_at;
    const agent = new Agent(600_000);
    agent.restart(now);
    const kept = { id: row.id, cluster: "main", status: "ready" } as KeptBackend;
    const listsOfAgent = new AgentList();
    const service = () => {
      const listings: Listings = new Listings({ live: () => [kept], get: () => kept }, (...listed) =>
        activity.listed(...listed),
      );
      const activity: BackendActivity = new BackendActivity((id) => listings.listing(id));
      return { listings, activity };
    };
    let at = service();
    let acknowledged: ListedBackend | null = null;
    let isNew = true;
    for (const use of taken) {
      if (use.do === "pass") now += use.ms;
      if (use.do === "open") agent.connections = 1;
      if (use.do === "close" && agent.connections > 0) {
        agent.connections = 0;
        agent.restart(now);
        isNew = true;
      }
      if (use.do === "restart" && agent.connections === 0) {
        agent.restart(now);
        isNew = true;
      }
      if (use.do === "beat") {
        const idle_seconds = agent.connections > 0 ? 0 : Math.max(1, agent.idleSeconds(now));
        const listed: ListedBackend = { id: row.id, status: "ready", fencing_token: 1, idle_seconds };
        const digest = new ListDigest();
        digest.add(row.id, listed);
        const isSame = !isNew && acknowledged !== null && useOf(acknowledged) === useOf(listed);
        const entered = listsOfAgent.entered(
          use.isChange && acknowledged !== null
            ? { changes: { backends: isSame ? [] : [listed], gone: [] }, list_digest: digest.text }
            : { backends: [listed] },
          now,
        );
        if (entered === null) throw new Error("the digest of these is what it is said to be");
        listsOfAgent.enter(entered);
        acknowledged = listed;
        isNew = false;
        if (use.evictsService) at = service();
        if (use.isHandedOn) {
          const here = at.listings.of("main");
          const unsent = use.evictsService
            ? listsOfAgent.whole(row.id.slice(0, 5), now)
            : listsOfAgent.unsent(row.id.slice(0, 5), now);
          if (unsent) here.update({ agent: "a", silentMs: 0, ...unsent }, now);
          if (here.digestOf("a") === entered.digest) {
            listsOfAgent.taken(row.id.slice(0, 5), entered.digest);
            const entry = here.heard("a", now).backends.get(row.id);
            if (entry) at.activity.listed(row.id, idleSecondsOf(entry, now), now);
          }
        }
      }
      const activeAt = at.activity.activeAt(row);
      const truth = agent.connections > 0 ? now : Math.max(row.created_at, agent.sweptAt() - 600_000);
      expect(activeAt).toBeLessThanOrEqual(truth);
      if (activeAt > row.created_at) later++;
    }
  });
  fc.assert(property, { numRuns: 300 });
  expect(later).toBeGreaterThan(100);
});
