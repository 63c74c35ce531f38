import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { expect, vi } from "vitest";
import { ListSender } from "../../../src/agent/control-plane/list-sender.ts";
import {
  isAlive,
  judgeHeartbeat,
  type KnownBackend,
  newlyListed,
} from "../../../src/domain/backends/lease.ts";
import type { BackendStatus } from "../../../src/domain/backends/status.ts";
import { clusterStub } from "../../../src/objects/stubs.ts";
import type { HeartbeatBody, ListedBackend } from "../../../src/protocol/v3/agent.ts";
import { evict } from "../../support/worker/clock.ts";
import { registrationOf } from "../support/agent.ts";
import { test } from "../support/object-test.ts";
import { caller, code, type Hello, setUpPinned, value } from "../support/service.ts";

const agents = ["agent-0", "agent-1", "agent-2"] as const;

type Row = Record<"id" | "status", string> & {
  status: BackendStatus;
  status_at: number;
  fencing_token: number;
  created_at: number;
  agent: string | null;
  next_attempt_at: number | null;
};

/** One heartbeat as it was sent, with the list that it speaks of. */
interface Sent {
  list: ListedBackend[];
  body: HeartbeatBody;
  sent: ReturnType<ListSender["next"]>["sent"];
}

class Agent {
  readonly id: string;
  /** What it runs. */
  list: ListedBackend[] = [];
  /** What was last received of it. */
  received: ListedBackend[] = [];
  lists = new ListSender();
  /** Sent, and still on its way. */
  late: Sent[] = [];

  constructor(id: string) {
    this.id = id;
  }

  send(): Sent {
    const list = structuredClone(this.list);
    const { body, sent } = this.lists.next(list, Date.now());
    return { list, sent, body: { cluster: "main", agent_id: this.id, version: "1", ...body } };
  }
}

/** A service with its agents, whose heartbeats have to do what the rule says of whole lists. */
class World {
  readonly hello: Hello;
  readonly agents = agents.map((id) => new Agent(id));
  readonly #registration: number;
  /** The agents whose lists one of the objects has. */
  readonly #known = { cluster: new Set<string>(), service: new Set<string>() };
  accepted = 0;
  refused = 0;

  constructor(hello: Hello, registration: number) {
    this.hello = hello;
    this.#registration = registration;
  }

  agent(i: number): Agent {
    const agent = this.agents[i % agents.length];
    if (!agent) throw new Error("there is no such agent");
    return agent;
  }

  async evict(what: "cluster" | "service"): Promise<void> {
    const stub = what === "cluster" ? this.#cluster() : this.hello.service();
    await runInDurableObject(stub, (_, { storage }) => {
      // That a cluster has acknowledged a spawn is written some time later: what evictions lose of that is not the matter here.
      if (what === "service") storage.sql.exec("UPDATE backends SET next_attempt_at = NULL").toArray();
    });
    await evict(stub);
    this.#known[what].clear();
  }

  async start(agent: Agent): Promise<void> {
    const { backendId: id } = value(await this.hello.connect());
    const row = (await this.#rows()).find((each) => each.id === id);
    agent.list.push({ id, status: "starting", fencing_token: row?.fencing_token ?? 0, idle_seconds: 0 });
  }

  /** Has a heartbeat arrive, and holds what it does against the rule for whole lists. */
  async arrive(agent: Agent, sent: Sent, isAnswerLost = false): Promise<void> {
    const before = await this.#rows();
    const answer = await this.#cluster().heartbeat(this.hello.account, "main", this.#registration, sent.body);
    if (!answer.ok) {
      expect(code(answer)).toBe("list_unknown");
      expect(await this.#rows()).toEqual(before);
      this.refused++;
      if (!isAnswerLost && agent.lists.refused(sent.sent)) await this.arrive(agent, agent.send());
      return;
    }
    this.accepted++;
    const others = this.agents.filter(
      ({ id }) => id !== agent.id && (this.#known.cluster.has(id) || this.#known.service.has(id)),
    );
    agent.received = sent.list;
    const now = Date.now();
    const facts = await this.#facts(now);
    const lists = {
      from: agent.id,
      elsewhere: others.flatMap(({ id, received }) =>
        facts.alive.includes(id) ? received.map((each) => each.id) : [],
      ),
      fence: "lease" as const,
      ...facts,
    };
    const known = before.map(
      (row): KnownBackend => ({
        id: row.id,
        status: row.status,
        statusAt: row.status_at,
        fencingToken: row.fencing_token,
        expectedAt: row.created_at,
        delivered: true,
        agent: row.agent,
      }),
    );
    const verdict = judgeHeartbeat(sent.list, known, lists, now);
    expect(answer.value.terminate.toSorted()).toEqual(verdict.terminate.toSorted());
    expect(answer.value.unknown.toSorted()).toEqual(verdict.unknown.toSorted());
    const after = new Map((await this.#rows()).map((row) => [row.id, row]));
    // A heartbeat that ends something has the service look at its deadlines too: that of a hard termination ends its backend.
    const ended = before
      .filter(
        ({ id, status }) => !after.has(id) && (status !== "hard-terminating" || verdict.lost.includes(id)),
      )
      .map(({ id }) => id);
    expect(ended.toSorted()).toEqual(verdict.lost.toSorted());
    const ofThisAgent = new Set(newlyListed(sent.list, known, lists));
    for (const { id, agent: owner } of before) {
      const row = after.get(id);
      if (row) expect(row.agent).toBe(ofThisAgent.has(id) ? agent.id : owner);
    }
    this.#known.cluster.add(agent.id);
    for (const id of [...this.#known.cluster]) if (facts.alive.includes(id)) this.#known.service.add(id);
    if (!isAnswerLost) agent.lists.answered(sent.sent, answer.value.list_digest);
  }

  #cluster() {
    return clusterStub(env, this.hello.account, "main");
  }

  /** Those that live, oldest first. */
  #rows(): Promise<Row[]> {
    return runInDurableObject(this.hello.service(), (_, { storage }) =>
      storage.sql
        .exec<Row>(
          `SELECT id, status, status_at, fencing_token, created_at, agent, next_attempt_at FROM backends
           WHERE status != 'terminated' ORDER BY fencing_token`,
        )
        .toArray(),
    );
  }

  #facts(now: number) {
    return runInDurableObject(this.#cluster(), (_, { storage }) => {
      const watchedFrom = storage.sql
        .exec<{ watched_from: number }>("SELECT watched_from FROM cluster")
        .one().watched_from;
      const alive = storage.sql
        .exec<{ id: string; last_heartbeat_at: number; begun_at: number }>("SELECT * FROM agents")
        .toArray()
        .filter((row) => isAlive({ silentSince: Math.max(row.last_heartbeat_at, watchedFrom) }, now));
      return {
        watchedFrom,
        alive: alive.map(({ id }) => id),
        unchangedSince: Math.max(watchedFrom, ...alive.map((row) => row.begun_at)),
      };
    });
  }
}

const whose = fc.constantFrom(0, 0, 0, 1, 2);
const which = fc.nat(4);
const steps = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant("beat" as const),
        agent: whose,
        fate: fc.constantFrom("arrives", "arrives", "arrives", "request lost", "answer lost", "late"),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("arrive late" as const), agent: whose }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("start" as const), agent: whose }) },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant("change" as const),
        agent: whose,
        backend: which,
        status: fc.constantFrom("starting", "ready", "hard-terminating", "terminated" as const),
        idle_seconds: fc.option(fc.nat(100), { nil: undefined }),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("drop" as const), agent: whose, backend: which }) },
    fc.record({
      do: fc.constant("move" as const),
      agent: whose,
      backend: which,
      to: whose,
      isCopy: fc.boolean(),
    }),
    fc.record({ do: fc.constant("confuse" as const), agent: whose, backend: which }),
    fc.record({ do: fc.constant("terminate" as const), agent: whose, backend: which, hard: fc.boolean() }),
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant("report" as const),
        agent: whose,
        backend: which,
        status: fc.constantFrom("ready", "terminated" as const),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant("pass" as const),
        ms: fc.constantFrom(1, 9_000, 31_000, 70_000, 301_000),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant("evict" as const),
        what: fc.constantFrom("cluster", "service" as const),
      }),
    },
    fc.record({ do: fc.constant("restart" as const), agent: whose }),
  ),
  { minLength: 20, maxLength: 50, size: "max" },
);
type Step = typeof steps extends fc.Arbitrary<(infer Each)[]> ? Each : never;

async function take(world: World, step: Step): Promise<void> {
  if (step.do === "pass") {
    vi.setSystemTime(Date.now() + step.ms);
    return;
  }
  if (step.do === "evict") return world.evict(step.what);
  const agent = world.agent(step.agent);
  const { list } = agent;
  const backend = "backend" in step ? list[step.backend % Math.max(1, list.length)] : undefined;
  switch (step.do) {
    case "beat": {
      const sent = agent.send();
      if (step.fate === "late") agent.late.push(sent);
      else if (step.fate !== "request lost") await world.arrive(agent, sent, step.fate === "answer lost");
      return;
    }
    case "arrive late": {
      const sent = agent.late.shift();
      if (sent) await world.arrive(agent, sent);
      return;
    }
    case "start":
      return world.start(agent);
    case "restart":
      agent.lists = new ListSender();
      agent.late = [];
      return;
  }
  if (!backend) return;
  switch (step.do) {
    case "change":
      backend.status = step.status;
      backend.idle_seconds = step.idle_seconds;
      return;
    case "drop":
      list.splice(list.indexOf(backend), 1);
      return;
    case "move": {
      const to = world.agent(step.to);
      if (!step.isCopy) list.splice(list.indexOf(backend), 1);
      if (!to.list.some(({ id }) => id === backend.id)) to.list.push({ ...backend });
      return;
    }
    case "confuse":
      list.push({
        ...backend,
        id: backend.id.slice(0, 5) + "0".repeat(8),
        fencing_token: backend.fencing_token + 7,
      });
      agent.list = [...new Map(agent.list.map((each) => [each.id, each])).values()];
      return;
    case "terminate":
      // One that has ended is none of those that can be.
      await world.hello.service().terminate(backend.id, step.hard, caller);
      return;
    case "report":
      await world.hello.report(backend.id, backend.fencing_token, step.status);
      return;
  }
}

test("whatever is lost, late or evicted, a heartbeat with changes does what the whole list would have done", {
  timeout: 300_000,
}, async ({ cluster: _ }) => {
  let accepted = 0;
  let refused = 0;
  const property = fc.asyncProperty(steps, async (taken) => {
    const hello = await setUpPinned();
    const world = new World(hello, await registrationOf(hello));
    for (const agent of world.agents.slice(0, 2)) {
      for (let i = 0; i < 3; i++) await world.start(agent);
      await world.arrive(agent, agent.send());
    }
    for (const step of taken) await take(world, step);
    for (const agent of world.agents) await world.arrive(agent, agent.send());
    accepted += world.accepted;
    refused += world.refused;
  });
  await fc.assert(property, { numRuns: 25 });
  // The property is about something.
  expect(accepted).toBeGreaterThan(150);
  expect(refused).toBeGreaterThan(5);
});
