import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import fc from "fast-check";
import { expect, vi } from "vitest";
import { type BackendStatus, isConnectable, statusRank } from "../../../src/domain/backends/status.ts";
import { alarmLateMs, startupSlackMs } from "../../../src/domain/limits.ts";
import type { ScriptedCluster } from "../../support/worker/scripted-cluster.ts";
import { notRunningHere } from "../../support/worker/scripted-cluster.ts";
import { agentOf, registrationOf } from "../support/agent.ts";
import { test } from "../support/object-test.ts";
import { pendingWebhooks } from "../support/pending-webhooks.ts";
import { caller, code, setUpPinned, value } from "../support/service.ts";

/*
 * What a cluster says of one backend comes on several ways, and no way waits for another: the answers to the webhooks,
 * reports, heartbeats. A backend's life has one order all the same, and whatever arrives in which order, how often or not
 * at all, what is known in the end is how far that life has come.
 */

const reportStatuses = ["loading", "ready", "terminating", "terminated"] as const;
const arrivals = [
  "the spawn's answer",
  ...reportStatuses,
  "a heartbeat with it",
  "a heartbeat without it",
  "the request to terminate it",
  "the termination's answer",
  "its deadline",
  "the loss of its cluster",
] as const;
type Arrival = (typeof arrivals)[number];

interface Life {
  /** Whether the cluster has a template for URLs. */
  template: boolean;
  spawnAnswer: "with its URL" | "lost";
  terminationAnswer: "accepted" | "unknown" | "lost";
  /** Whether reports from `ready` on carry a URL of their own. */
  urlInReports: boolean;
  arrivals: Arrival[];
}

const life: fc.Arbitrary<Life> = fc
  .record({
    template: fc.boolean(),
    spawnAnswer: fc.constantFrom("with its URL", "with its URL", "lost"),
    terminationAnswer: fc.constantFrom("accepted", "unknown", "lost"),
    urlInReports: fc.boolean(),
    others: fc.array(
      fc.oneof(
        {
          weight: 3,
          arbitrary: fc.constantFrom<Arrival>("loading", "ready", "ready", "a heartbeat with it"),
        },
        { weight: 1, arbitrary: fc.constantFrom<Arrival>(...arrivals) },
      ),
      { maxLength: 7 },
    ),
    answerAt: fc.nat(7),
  })
  .map(({ others, answerAt, ...rest }) => {
    const arrived: Arrival[] = others.filter((arrival) => arrival !== "the spawn's answer");
    return { ...rest, arrivals: arrived.toSpliced(answerAt, 0, "the spawn's answer") };
  });

/** How far a backend's life has come, by what arrived of it and by nothing else. */
class Known {
  readonly #life: Life;
  status: BackendStatus = "scheduled";
  url: "of the template" | "answered" | "reported" | null;
  acknowledged = false;
  #listed = false;
  #spawnAnswered = false;
  #terminationAnswered = false;
  /** A hard termination that is in the cluster's hands. */
  #accepted = false;
  #terminationBegun = false;

  constructor(life: Life) {
    this.#life = life;
    this.url = life.template ? "of the template" : null;
  }

  /** Whether the termination's answer is to be taken in by now: it does not overtake the spawn. */
  get terminationIsAnswered(): boolean {
    return this.#terminationBegun && this.#spawnAnswered && this.#terminationAnswered;
  }

  arrives(arrival: Arrival): void {
    if (this.status === "terminated") return;
    switch (arrival) {
      case "the spawn's answer":
        this.#spawnAnswered = true;
        if (this.#life.spawnAnswer === "lost") break;
        this.acknowledged = true;
        if (this.url !== "reported") this.url = "answered";
        break;
      case "loading":
      case "ready":
      case "terminating":
      case "terminated":
        this.acknowledged = true;
        if (statusRank(arrival) <= statusRank(this.status)) break;
        if (this.#life.urlInReports && arrival === "ready") this.url = "reported";
        this.reaches(arrival);
        break;
      case "a heartbeat with it":
        this.acknowledged = true;
        this.#listed = true;
        break;
      case "a heartbeat without it":
        // What no agent has listed yet may be another agent's.
        if (this.#listed) this.reaches("terminated");
        break;
      case "the request to terminate it":
        this.#beginTermination();
        break;
      case "the termination's answer":
        this.#terminationAnswered = true;
        break;
      case "its deadline":
        if (this.status === "ready") break;
        if (this.status !== "hard-terminating") this.#beginTermination();
        else if (this.#accepted) this.reaches("terminated");
        break;
      case "the loss of its cluster":
        this.reaches("terminated");
    }
    if (!this.terminationIsAnswered) return;
    if (this.#life.terminationAnswer === "unknown") this.reaches("terminated");
    if (this.#life.terminationAnswer === "accepted") this.#accepted = true;
  }

  #beginTermination(): void {
    this.reaches("hard-terminating");
    this.#terminationBegun = true;
  }

  reaches(status: BackendStatus): void {
    if (statusRank(status) > statusRank(this.status)) this.status = status;
  }
}

/** Lets a backend's deadline pass; one that is past has been put off before, as after a stop of the control plane. */
async function reachDeadline(service: DurableObjectStub, id: string): Promise<void> {
  for (let isLate = true; isLate; ) {
    const at = await runInDurableObject(service, (_, { storage }) =>
      storage.sql
        .exec<{ at: number | null }>("SELECT deadline_at AS at FROM backends WHERE id = ?", id)
        .toArray(),
    );
    const deadlineAt = at[0]?.at ?? Date.now() + 301_000 + startupSlackMs;
    isLate = Date.now() - deadlineAt > alarmLateMs;
    vi.setSystemTime(Math.max(Date.now(), deadlineAt));
    await runDurableObjectAlarm(service);
  }
}

const urls = { answered: "https://answered.test", reported: "https://reported.test" };

async function live(cluster: ScriptedCluster, life: Life): Promise<void> {
  const hello = await setUpPinned(life.template ? {} : { template: null });
  const spawnAnswer = Promise.withResolvers<void>();
  const terminationAnswer = Promise.withResolvers<void>();
  let answersAreLost = true;
  const spawned = Response.json.bind(null, { url: urls.answered });
  const terminated = {
    accepted: () => Response.json({}),
    unknown: notRunningHere,
    lost: () => new Response(null, { status: 502 }),
  };
  const known = new Known(life);
  cluster.always(() => {
    const type = cluster.received.at(-1)?.message.type;
    if (type === "backend.terminate") {
      return terminationAnswer.promise.then(terminated[life.terminationAnswer]);
    }
    if (type !== "backend.spawn") return Response.json({});
    return spawnAnswer.promise.then(() => {
      if (life.spawnAnswer === "lost" && answersAreLost) throw new TypeError("connection lost");
      return spawned();
    });
  });

  const sentBefore = cluster.of("backend.spawn").length;
  const connecting = hello.connect({ key: "doc" });
  await vi.waitFor(() => expect(cluster.of("backend.spawn")).toHaveLength(sentBefore + 1));
  const message = cluster.of("backend.spawn").at(-1)?.message;
  if (message?.type !== "backend.spawn") throw new Error("this is no spawn");
  const { backend_id: id, fencing_token } = message.data;
  const agent = agentOf(hello);
  const termination = `${id}_terminate_hard`;

  async function arrive(arrival: Arrival): Promise<void> {
    switch (arrival) {
      case "the spawn's answer":
        spawnAnswer.resolve();
        await connecting;
        return;
      case "loading":
      case "ready":
      case "terminating":
      case "terminated": {
        const url = life.urlInReports && arrival !== "loading" ? { url: urls.reported } : {};
        const report = { status: arrival, fencing_token, ...url };
        value(await hello.shard(id).report(hello.account, "hello", "main", id, report));
        return;
      }
      case "a heartbeat with it":
        value(await agent.beat([{ id, status: "ready", fencing_token }]));
        return;
      case "a heartbeat without it":
        vi.setSystemTime(Date.now() + 40_000);
        value(await agent.beat([]));
        return;
      case "the request to terminate it":
        await hello.service().terminate(id, true, caller);
        return;
      case "the termination's answer":
        terminationAnswer.resolve();
        return;
      case "its deadline":
        await reachDeadline(hello.service(), id);
        return;
      case "the loss of its cluster":
        value(await hello.service().clusterLost("main", await registrationOf(hello), "lease"));
    }
  }

  try {
    for (const arrival of life.arrivals) {
      await arrive(arrival);
      known.arrives(arrival);
      if (known.terminationIsAnswered) {
        await vi.waitFor(async () => {
          const attempts = (await pendingWebhooks(hello.service()))[termination];
          expect(attempts === undefined || (life.terminationAnswer === "lost" && attempts > 0)).toBe(true);
        });
      }
    }

    await vi.waitFor(async () => {
      const { history } = value(await hello.shard(id).describe(hello.account, "hello", id));
      expect(history.at(-1)?.status).toBe(known.status);
    });
    answersAreLost = false;
    const found = await hello.connect({ key: "doc", spawn: null });
    if (!isConnectable(known.status)) expect(code(found)).toBe("key_not_held");
    // The answer that was lost is sent for once more, unless the spawn itself is still to be delivered.
    else if (known.url === null && !known.acknowledged) expect(code(found)).toBe("cluster_unavailable");
    else {
      const template = `https://${id}.cluster.test`;
      const url = known.url === "of the template" ? template : urls[known.url ?? "answered"];
      expect(value(found)).toMatchObject({ backendId: id, baseUrl: url });
    }
    if (known.status === "terminated") {
      // A cluster that leaves webhooks unanswered is sent no more of them.
      spawnAnswer.resolve();
      terminationAnswer.resolve();
      expect(value(await hello.connect({ key: "doc" })).backendId).not.toBe(id);
    }
  } finally {
    // Also where it has failed: what is still open would fail the smaller lives after it.
    spawnAnswer.resolve();
    terminationAnswer.resolve();
    await cluster.quiet();
  }
}

test("whatever order messages about a backend arrive in, how often or not at all, its status, its URL and its key are what its life has come to", {
  timeout: 180_000,
}, async ({ cluster }) => {
  await fc.assert(
    fc.asyncProperty(life, (drawn) => live(cluster, drawn)),
    { numRuns: 100 },
  );
});
