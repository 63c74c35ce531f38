import { runInDurableObject } from "cloudflare:test";
import { describe, expect, vi } from "vitest";
import {
  shardsNotifiedAtOnce,
  spawnRetryDelaysMs,
  startupSlackMs,
  terminationRetryForMs,
} from "../../../src/domain/limits.ts";
import { Backends } from "../../../src/objects/backends/backends.ts";
import { Waiters } from "../../../src/objects/service/connect/waiters.ts";
import type { ServiceNudge } from "../../../src/protocol/service-nudge.ts";
import { evict, passTime, passTimeRunning } from "../../support/worker/clock.ts";
import type { ScriptedCluster } from "../../support/worker/scripted-cluster.ts";
import { notRunningHere } from "../../support/worker/scripted-cluster.ts";
import { agentOf, registrationOf } from "../support/agent.ts";
import { follow, followObject } from "../support/follow.ts";
import { test } from "../support/object-test.ts";
import { pendingWebhooks } from "../support/pending-webhooks.ts";
import { caller, code, type Hello, setUpPinned, value } from "../support/service.ts";
import { totals } from "../support/usage.ts";

const soon = { timeout: 5_000, interval: 5 };

interface System {
  hello: Hello;
  cluster: ScriptedCluster;
  /** The backend that holds the key `doc`, if it has one. */
  id: string;
  fencingToken: number;
  report(status: "loading" | "ready" | "terminating" | "terminated"): Promise<void>;
  terminate(hard: boolean): Promise<void>;
  /** Waits until a termination's attempt is recorded. */
  attempted(how: "soft" | "hard"): Promise<void>;
}

async function statusOf(hello: Hello, id: string): Promise<string | undefined> {
  return value(await hello.shard(id).describe(hello.account, "hello", id)).history.at(-1)?.status;
}

async function begun(cluster: ScriptedCluster, key: string | null, connect?: (hello: Hello) => unknown) {
  const hello = await setUpPinned();
  await cluster.settledOf("image.pinned", 1);
  const sent = cluster.of("backend.spawn").length;
  await (connect ?? (() => hello.connect(key === null ? {} : { key })))(hello);
  const message = cluster.of("backend.spawn").at(sent)?.message;
  if (message?.type !== "backend.spawn") throw new Error("nothing was spawned");
  const { backend_id: id, fencing_token } = message.data;
  const system: System = {
    hello,
    cluster,
    id,
    fencingToken: fencing_token,
    report: async (status) => void value(await hello.report(id, fencing_token, status)),
    terminate: async (hard) => void value(await hello.service().terminate(id, hard, caller)),
    attempted: (how) =>
      vi.waitFor(async () => {
        const attempts = (await pendingWebhooks(hello.service()))[`${id}_terminate_${how}`];
        expect(attempts === undefined || attempts > 0).toBe(true);
      }, soon),
  };
  return system;
}

const down = () => new Response(null, { status: 500 });

/** Has a cluster answer that it does not know what it is to terminate. */
function doesNotKnow(cluster: ScriptedCluster): void {
  cluster.always(() => {
    const isTermination = cluster.received.at(-1)?.message.type === "backend.terminate";
    return isTermination ? notRunningHere() : Response.json({});
  });
}

/** Lets each attempt at a spawn fail until it is given up. */
async function giveUp({ hello, cluster, id }: System): Promise<void> {
  for (const [i, delay] of spawnRetryDelaysMs.entries()) {
    await passTime(hello.service(), delay * 1.2 + 1);
    const attempts = i === spawnRetryDelaysMs.length - 1 ? undefined : i + 2;
    await vi.waitFor(async () => {
      expect((await pendingWebhooks(hello.service()))[`${id}_spawn`]).toBe(attempts);
    }, soon);
  }
  await cluster.quiet();
}

interface Way {
  way: string;
  /** What a connect does that finds the key's holder at its end: spawns, or says that the service is gone. */
  connect?: "service_not_found";
  wasReady: boolean;
  /** Whether a person requested it, which is an event of the account. */
  isRequested: boolean;
  /** Whether the cluster answers the spawn with a failure, and how. */
  spawn?: (hello: Hello, cluster: ScriptedCluster) => Promise<unknown>;
  /** Brings the backend to where it is ending, and its key is waited for. */
  begin(system: System): Promise<unknown>;
  /** Ends it. No alarm rings after it. */
  end(system: System): Promise<unknown>;
}

const ready = { wasReady: true, isRequested: false };
const never = { wasReady: false, isRequested: false };

async function readyAndEnding({ report }: System): Promise<void> {
  await report("ready");
  await report("terminating");
}

const ways: Way[] = [
  {
    ...ready,
    way: "a report of its cluster",
    begin: readyAndEnding,
    end: ({ report }) => report("terminated"),
  },
  {
    ...never,
    way: "a report of its cluster, before it was ready",
    begin: ({ report }) => report("terminating"),
    end: ({ report }) => report("terminated"),
  },
  {
    ...ready,
    isRequested: true,
    way: "the answer 404 to its soft termination",
    begin: async ({ report, cluster, terminate }) => {
      await report("ready");
      cluster.always(down);
      await terminate(false);
    },
    end: async ({ cluster, hello, attempted }) => {
      await attempted("soft");
      doesNotKnow(cluster);
      await passTime(hello.service(), 1_300);
    },
  },
  {
    ...ready,
    isRequested: true,
    way: "the answer 404 to its hard termination",
    begin: async ({ report, cluster, terminate }) => {
      await report("ready");
      cluster.always(down);
      await terminate(true);
    },
    end: async ({ cluster, hello, attempted }) => {
      await attempted("hard");
      doesNotKnow(cluster);
      await passTime(hello.service(), 1_300);
    },
  },
  {
    ...never,
    isRequested: true,
    way: "a hard termination that its cluster has accepted, and reports no end of",
    begin: ({ terminate }) => terminate(true),
    end: async ({ hello, attempted }) => {
      await attempted("hard");
      await passTime(hello.service(), 31_000);
    },
  },
  {
    ...ready,
    isRequested: true,
    way: "a soft termination that comes to nothing, and so becomes a hard one",
    begin: async ({ report, terminate }) => {
      await report("ready");
      await terminate(false);
    },
    end: async ({ cluster, hello, attempted }) => {
      await attempted("soft");
      doesNotKnow(cluster);
      await passTime(hello.service(), 61_000);
    },
  },
  {
    ...ready,
    isRequested: true,
    way: "a termination that was tried for as long as one is",
    begin: async ({ report, cluster, terminate }) => {
      await report("ready");
      cluster.always(down);
      await terminate(true);
    },
    end: async ({ cluster, hello, attempted }) => {
      await attempted("hard");
      cluster.always(() =>
        cluster.received.at(-1)?.message.type === "backend.terminate" ? down() : Response.json({}),
      );
      await passTime(hello.service(), terminationRetryForMs);
    },
  },
  {
    ...ready,
    way: "a heartbeat without it",
    begin: async (system) => {
      await readyAndEnding(system);
      const listed = { id: system.id, status: "terminating", fencing_token: system.fencingToken } as const;
      value(await agentOf(system.hello).beat([listed]));
    },
    end: async ({ hello }) => {
      vi.setSystemTime(Date.now() + 40_000);
      value(await agentOf(hello).beat([]));
    },
  },
  {
    ...ready,
    way: "the loss of its cluster",
    begin: readyAndEnding,
    end: async ({ hello }) =>
      value(await hello.service().clusterLost("main", await registrationOf(hello), "lease")),
  },
  {
    ...never,
    way: "its startup deadline",
    begin: async ({ hello, cluster }) => {
      cluster.always(down);
      await passTime(hello.service(), 12_000);
      await passTime(hello.service(), 288_000 + startupSlackMs);
    },
    end: async ({ cluster, hello, attempted }) => {
      await attempted("hard");
      doesNotKnow(cluster);
      await passTime(hello.service(), 1_300);
    },
  },
  {
    ...ready,
    way: "its lifetime's deadline",
    spawn: (hello) => hello.connect({ key: "doc", spawn: { lifetimeLimitSeconds: 60 } }),
    begin: async ({ hello, report }) => {
      await report("ready");
      await passTime(hello.service(), 91_000);
    },
    end: ({ report }) => report("terminated"),
  },
  {
    ...ready,
    way: "the removal of its service",
    connect: "service_not_found",
    begin: readyAndEnding,
    end: async ({ hello, report }) => {
      value(await hello.service().remove());
      await report("terminated");
    },
  },
  {
    ...never,
    way: "a spawn that was given up, and whose cluster then does not know it",
    spawn: (hello, cluster) => {
      cluster.always(down);
      return hello.connect({ key: "doc" });
    },
    begin: giveUp,
    end: async ({ cluster, hello, attempted }) => {
      await attempted("hard");
      doesNotKnow(cluster);
      await passTime(hello.service(), 1_300);
    },
  },
  {
    ...never,
    way: "a spawn that was given up, and that no agent has listed for the whole of a start-up",
    spawn: (hello, cluster) => {
      cluster.always(down);
      return hello.connect({ key: "doc" });
    },
    begin: giveUp,
    end: async ({ hello, cluster }) => {
      cluster.always(() => Response.json({}));
      for (let waited = 0; waited <= 300_000; waited += 40_000) {
        value(await agentOf(hello).beat([]));
        vi.setSystemTime(Date.now() + 40_000);
      }
      value(await agentOf(hello).beat([]));
    },
  },
  {
    ...never,
    way: "a spawn that was refused after an answer was lost",
    spawn: (hello, cluster) => {
      cluster.script(500, 409);
      cluster.always(down);
      return hello.connect({ key: "doc" });
    },
    begin: async ({ hello, cluster }) => {
      await passTime(hello.service(), 1_300);
      await cluster.settledOf("backend.terminate", 1);
    },
    end: async ({ cluster, hello, attempted }) => {
      await attempted("hard");
      doesNotKnow(cluster);
      await passTime(hello.service(), 1_300);
    },
  },
];

describe("a backend that ends by", () => {
  test.for(ways.map((way) => [way.way, way] as const))(
    "%s: who waits for its key is woken at once, and counters, shard and followers know",
    async ([_, way], { cluster }) => {
      const { spawn } = way;
      const system = await begun(cluster, "doc", spawn && ((hello) => spawn(hello, cluster)));
      const { hello, id } = system;
      const follower = await follow(hello, id);
      const nudges = await followObject<ServiceNudge>(hello.service(), "/follow/news");
      const waits = vi.spyOn(Waiters.prototype, "untilEnded");
      await way.begin(system);
      const waiting = hello.connect({ key: "doc" });
      await vi.waitFor(() => expect(waits).toHaveBeenCalled(), soon);
      const nudged = nudges.length;

      await way.end(system);
      const since = performance.now();
      await vi.waitFor(async () => expect(await statusOf(hello, id)).toBe("terminated"), soon);
      const answer = await waiting;
      // It would give up by itself after 10 s.
      expect(performance.now() - since).toBeLessThan(5_000);
      if (way.connect) expect(code(answer)).toBe(way.connect);
      else {
        expect(value(answer)).toMatchObject({ spawned: true });
        expect(value(answer).backendId).not.toBe(id);
        expect((await totals(hello)).failed ?? 0).toBe(way.wasReady ? 0 : 1);
      }
      await vi.waitFor(() => {
        if ("status" in follower) throw new Error("not followed");
        expect(follower.entries.at(-1)?.status).toBe("terminated");
        expect(follower.closed).toBe(1000);
      }, soon);
      await vi.waitFor(
        () => expect(nudges.slice(nudged).flatMap(({ changed }) => changed)).toContain("backends"),
        soon,
      );
      await vi.waitFor(async () => {
        const { items } = value(await hello.accountObject.listEvents({ limit: 200 }));
        const ends = items.filter(({ type }) => type === "backend.terminated");
        expect(ends).toHaveLength(way.isRequested ? 1 : 0);
      }, soon);
    },
  );
});

describe("a spawn that is given up", () => {
  test("holds its key while an attempt may have started it, and is hard-terminating meanwhile", async ({
    cluster,
  }) => {
    cluster.always(down);
    const system = await begun(cluster, "doc");
    const { hello, id } = system;
    await giveUp(system);
    expect(await statusOf(hello, id)).toBe("hard-terminating");
    expect(code(await hello.connect({ key: "doc", spawn: null }))).toBe("key_not_held");
    await cluster.settledOf("backend.terminate", 1);
    await system.attempted("hard");
    // The cluster is back and has it: it accepts the termination, and reports the end.
    cluster.always(() => Response.json({}));
    await passTime(hello.service(), 1_300);
    await system.attempted("hard");
    expect(await statusOf(hello, id)).toBe("hard-terminating");
    await system.report("terminated");
    expect(value(await hello.connect({ key: "doc" })).spawned).toBe(true);
  });

  test.for<[declined: string, answer: () => Response]>([["429", () => new Response(null, { status: 429 })]])(
    "frees its key at once where every attempt was declined with %s",
    async ([_, answer], { cluster }) => {
      cluster.always(answer);
      const system = await begun(cluster, "doc");
      await giveUp(system);
      expect(await statusOf(system.hello, system.id)).toBe("terminated");
      expect(cluster.of("backend.terminate")).toEqual([]);
      cluster.always(() => Response.json({}));
      expect(value(await system.hello.connect({ key: "doc" })).spawned).toBe(true);
    },
  );

  test("without a key has ended, and is stopped where it may run", async ({ cluster }) => {
    cluster.always(down);
    const system = await begun(cluster, null);
    await giveUp(system);
    expect(await statusOf(system.hello, system.id)).toBe("terminated");
    await cluster.settledOf("backend.terminate", 1);
  });
});

test("a hard termination is not taken as delivered by the answer to the soft one before it", async ({
  cluster,
}) => {
  const system = await begun(cluster, "doc");
  const { hello, id } = system;
  const soft = Promise.withResolvers<void>();
  cluster.script(() => soft.promise.then(() => Response.json({})));
  await system.terminate(false);
  await vi.waitFor(() => expect(cluster.of("backend.terminate")).toHaveLength(1), soon);
  cluster.always(down);
  await system.terminate(true);
  await system.attempted("hard");
  soft.resolve();
  await system.attempted("soft");
  await passTime(hello.service(), 31_000);
  expect(await statusOf(hello, id)).toBe("hard-terminating");
  expect(code(await hello.connect({ key: "doc", spawn: null }))).toBe("key_not_held");
});

test("of many backends that end together, a bounded number of shards is notified at a time, and all in the end", async ({
  pinned: hello,
}) => {
  value(await hello.connect());
  const inService = <T>(read: (sql: SqlStorage) => T) =>
    runInDurableObject(hello.service(), (_, { storage }) => read(storage.sql));
  await inService((sql) =>
    sql.exec(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${shardsNotifiedAtOnce + 50})
      INSERT INTO backends (id, environment, cluster, fencing_token, digest, spec, created_at, status, status_at)
      SELECT substr(id, 1, 6) || printf('%07d', i), environment, cluster, 1000 + i, digest, spec, created_at, status,
             status_at
      FROM backends, n`),
  );
  await evict(hello.service());
  const { record } = Backends.prototype;
  const gate = Promise.withResolvers<void>();
  const recorded = vi.spyOn(Backends.prototype, "record").mockImplementation(async function (
    this: Backends,
    backend,
  ) {
    await gate.promise;
    return record.call(this, backend);
  });
  value(await hello.service().clusterLost("main", await registrationOf(hello), "lease"));
  await vi.waitFor(() => expect(recorded).toHaveBeenCalled(), soon);
  expect(recorded.mock.calls.length).toBeLessThanOrEqual(shardsNotifiedAtOnce);
  gate.resolve();
  await vi.waitFor(async () => {
    await passTimeRunning(hello.service(), 3_000);
    expect(await inService((sql) => sql.exec("SELECT count(*) AS count FROM backends").one().count)).toBe(0);
  }, soon);
});
