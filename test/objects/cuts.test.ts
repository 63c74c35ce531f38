import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect } from "vitest";
import type { EventType } from "../../src/domain/events.ts";
import { serviceCodeLength } from "../../src/domain/ids.ts";
import {
  clusterLostAfterMs,
  deletedServicesKeptMs,
  deletedServicesSeenEveryMs,
  startupSlackMs,
} from "../../src/domain/limits.ts";
import { fail, ok, type Result } from "../../src/domain/result.ts";
import { directoryStub, registryStub, serviceStub } from "../../src/objects/stubs.ts";
import { formatSigningSecret } from "../../src/protocol/webhooks/signature.ts";
import type { WebhookMessage } from "../../src/protocol/webhooks/webhook.ts";
import { passTime, passTimeRunning } from "../support/worker/clock.ts";
import type { ReceivedWebhook, ScriptedCluster } from "../support/worker/scripted-cluster.ts";
import { notRunningHere } from "../support/worker/scripted-cluster.ts";
import { stagingAndProd, team } from "./service/deploys/fixture.ts";
import { agentOf, listed, notEnded, register, registrationOf } from "./support/agent.ts";
import { startBackend, statuses } from "./support/backend.ts";
import { type Cut, Cuts } from "./support/cuts.ts";
import { drainBody } from "./support/drains.ts";
import { failureLines } from "./support/failure-lines.ts";
import { test } from "./support/object-test.ts";
import { noFacts, usedBy } from "./support/quotas.ts";
import {
  actor,
  caller,
  connectParams,
  digestNumber,
  type Hello,
  setUpPinned,
  value,
} from "./support/service.ts";
import { storedIn } from "./support/stored.ts";

/*
 * Every change that two objects keep a part of, cut at every call between them: once it is repeated, or without that where
 * it was acknowledged, both parts are there. They are listed in src/objects/README.md, "What two objects write".
 */

/** How long everything that is left to do may take, unless the story says otherwise. */
const soonMs = 15_000;

/** The webhooks of a type that the story has sent. */
type Sent = (type: WebhookMessage["type"]) => ReceivedWebhook[];

interface Story<Stage> {
  story: string;
  setUp(hello: Hello, cluster: ScriptedCluster): Promise<Stage>;
  /** The change. Run again where it was not acknowledged, as its caller would. */
  act(stage: Stage, hello: Hello): Promise<Result<unknown>>;
  /** How long it takes until everything is done. */
  withinMs?: number;
  /** What a repetition of a change that was made is answered, beside what the change itself is. */
  doneBefore?: string;
  /** How it must stand in the end. */
  check(stage: Stage, hello: Hello, sent: Sent): Promise<void>;
  /** How it must stand where it was not acknowledged and nobody repeats it. */
  unrepeated?(stage: Stage, hello: Hello): Promise<void>;
}

/** A story with its stage's type put away. */
interface Told {
  story: string;
  withinMs: number;
  begin(
    hello: Hello,
    cluster: ScriptedCluster,
  ): Promise<{
    act(): Promise<void>;
    check(sent: Sent): Promise<void>;
    unrepeated(): Promise<void>;
  }>;
}

function told<Stage>({ setUp, act, doneBefore, check, unrepeated, ...told }: Story<Stage>): Told {
  return {
    withinMs: soonMs,
    ...told,
    begin: async (hello, cluster) => {
      const stage = await setUp(hello, cluster);
      return {
        act: async () => {
          const result = await act(stage, hello);
          if (!result.ok && result.error.code !== doneBefore) value(result);
        },
        check: (sent) => check(stage, hello, sent),
        unrepeated: async () => unrepeated?.(stage, hello),
      };
    },
  };
}

/** How often events of a type are in the account's log. */
async function eventsOf(hello: Hello, type: EventType): Promise<number> {
  const { items } = value(await hello.accountObject.listEvents({ limit: 200 }));
  return items.filter((event) => event.type === type).length;
}

/** What a service's own copy of the account's configuration says. */
function configOf(hello: Hello, service = "hello"): Promise<string> {
  return runInDurableObject(serviceStub(env, hello.account, service), (_, { storage }) =>
    String(storage.sql.exec("SELECT config FROM service").one().config),
  );
}

type Backend = Awaited<ReturnType<typeof startBackend>>;

const holding = (hello: Hello) => startBackend(hello, "doc");

async function keyIsFree(hello: Hello, { backendId }: Backend): Promise<void> {
  const next = value(await hello.connect({ key: "doc" }));
  expect(next.spawned).toBe(true);
  expect(next.backendId).not.toBe(backendId);
}

const startUp = {
  status: "ready" as const,
  earlier: [
    { status: "loading" as const, ms_ago: 30 },
    { status: "starting" as const, ms_ago: 20 },
    { status: "waiting" as const, ms_ago: 10 },
  ],
};
const wholeLife = [
  ...startUp.earlier,
  { status: "ready" as const, ms_ago: 5 },
  { status: "terminating" as const, ms_ago: 4 },
];
const lived = ["scheduled", "loading", "starting", "waiting", "ready"];

const repository = (hello: Hello) => ({ account: hello.account, service: "hello" });
const registry = (hello: Hello) => registryStub(env, hello.account);

async function push(hello: Hello, n: number, tag: string, facts = noFacts): Promise<Result<unknown>> {
  return fromOci(
    await registry(hello).putManifest(repository(hello), {
      digest: digestNumber(n),
      bytes: Uint8Array.from([123, 125]),
      facts,
      tags: [tag],
      registryHost: "registry.test",
      by: actor,
    }),
  );
}

/** Whether the environment `default` was moved to that push; never more than once, and by nobody else. */
async function pushedOnce(hello: Hello): Promise<boolean> {
  const { items } = value(await hello.service().history("default", { limit: 9 }));
  const moves = items.filter(({ digest }) => digest === digestNumber(7));
  const move = { kind: "push", by: { token_id: actor.tokenId, token_name: actor.tokenName } };
  expect(moves).toMatchObject(moves.length === 0 ? [] : [move]);
  return moves.length === 1;
}

/** That these environments were announced, each once, or again as the same delivery. */
function expectAnnounced(sent: Sent, environments: string[]): void {
  const announced = new Map(
    sent("image.pinned").map(({ headers, message: { data } }) => [headers["webhook-id"], data]),
  );
  const names = [...announced.values()].map((data) => "environment" in data && data.environment);
  expect(names.sort()).toEqual(environments);
}

/** An answer of the registry as a result. */
function fromOci(answer: Awaited<ReturnType<ReturnType<typeof registry>["putManifest"]>>): Result<unknown> {
  if (answer.ok) return ok(null);
  return fail("bad_request", JSON.stringify(answer));
}

const secret = formatSigningSecret(new Uint8Array(32).fill(7));
const registration = {
  act: (_: unknown, hello: Hello) => register(hello, "second"),
  doneBefore: "already_exists",
};

const stories: Told[] = [
  told({
    story: "a report of an end, which is the first that its shard receives",
    setUp: holding,
    act: (backend) => backend.report({ status: "terminated", exit_code: 3 }),
    check: async (backend, hello) => {
      expect((await backend.describe()).history.at(-1)).toMatchObject({ status: "terminated", exit_code: 3 });
      await keyIsFree(hello, backend);
    },
    unrepeated: async (backend) => {
      expect((await backend.describe()).history.at(0)?.status).toBe("scheduled");
    },
  }),
  told({
    story: "a report of an end after others",
    setUp: async (hello) => {
      const backend = await holding(hello);
      value(await backend.report({ status: "loading" }));
      return backend;
    },
    act: (backend) => backend.report({ status: "terminated", exit_code: 3 }),
    check: async (backend, hello) => {
      expect((await backend.describe()).history.at(-1)).toMatchObject({ status: "terminated", exit_code: 3 });
      await keyIsFree(hello, backend);
    },
    unrepeated: async (backend) => {
      expect((await backend.describe()).history.at(0)?.status).toBe("scheduled");
    },
  }),
  told({
    story: "a report of an end after others that only the service has",
    setUp: async (hello) => {
      const backend = await holding(hello);
      value(await backend.report(startUp));
      value(await backend.report({ status: "terminating", termination_reason: "swept" }));
      return backend;
    },
    act: (backend) => backend.report({ status: "terminated", exit_code: 3 }),
    check: async (backend, hello) => {
      const history = await backend.history();
      expect(statuses(history)).toEqual([...lived, "terminating", "terminated"]);
      expect(history.at(-1)).toMatchObject({
        termination_reason: "swept",
        exit_code: 3,
        last_status: "ready",
      });
      await keyIsFree(hello, backend);
    },
    unrepeated: async (backend) => {
      const known = [...lived, "terminating"];
      expect(statuses(await backend.history()).slice(0, known.length)).toEqual(known);
    },
  }),
  told({
    story: "a report of the end and of all that came before it",
    setUp: holding,
    act: (backend) => backend.report({ status: "terminated", exit_code: 3, earlier: wholeLife }),
    check: async (backend, hello) => {
      const ended = [...lived, "terminating", "terminated"];
      expect(statuses(await backend.history())).toEqual(ended);
      await keyIsFree(hello, backend);
    },
  }),
  told({
    story: "a report of what a start went through",
    setUp: holding,
    act: (backend) => backend.report(startUp),
    check: async (backend) => expect(statuses(await backend.history())).toEqual(lived),
    unrepeated: async (backend) => {
      expect([lived, ["scheduled"]]).toContainEqual(statuses(await backend.history()));
    },
  }),
  told({
    story: "a termination of what has reported much, and its end",
    setUp: async (hello) => {
      const backend = await holding(hello);
      value(await backend.report(startUp));
      return backend;
    },
    act: async (backend, hello) => {
      const begun = await hello.service().terminate(backend.backendId, true, caller);
      if (!begun.ok && begun.error.code !== "backend_not_running") return begun;
      return backend.report({ status: "terminated", exit_code: 137 });
    },
    check: async (backend, hello) => {
      const ended = [...lived, "hard-terminating", "terminated"];
      expect(statuses(await backend.history())).toEqual(ended);
      await keyIsFree(hello, backend);
    },
    unrepeated: async (backend) => {
      expect(statuses(await backend.history()).slice(0, lived.length)).toEqual(lived);
    },
  }),
  told({
    story: "a report that a backend is ready",
    setUp: holding,
    act: (backend) => backend.report({ status: "ready" }),
    check: async (backend, hello, sent) => {
      expect((await backend.describe()).history.at(-1)?.status).toBe("ready");
      await passTimeRunning(hello.service(), 301_000 + startupSlackMs);
      expect(sent("backend.terminate")).toEqual([]);
      expect(value(await hello.connect({ key: "doc" }))).toMatchObject({
        backendId: backend.backendId,
        status: "ready",
      });
    },
  }),
  told({
    story: "an environment that is one more of the account's",
    setUp: async () => {},
    act: (_, hello) => hello.service().createEnvironment({ name: "x", image: "latest" }, caller),
    doneBefore: "already_exists",
    check: async (_, hello) => expect(await usedBy(hello)).toMatchObject({ environments: 2 }),
    unrepeated: async (_, hello) => {
      const { items } = value(await hello.service().listEnvironments({ limit: 9 }));
      expect(await usedBy(hello)).toMatchObject({ environments: items.length });
    },
  }),
  told({
    story: "an approval, with which a change is carried out once",
    setUp: async (hello) => {
      const { dev, ann } = await team(hello);
      await stagingAndProd(hello, { approvals: 1 });
      const outcome = value(await hello.service().move("prod", { kind: "promote", from: "staging" }, dev));
      if (!("change" in outcome)) throw new Error("it does not wait");
      return { ann, id: outcome.change.id };
    },
    act: ({ ann, id }, hello) => hello.service().approve("prod", id, undefined, ann),
    doneBefore: "change_over",
    check: async ({ id }, hello) => {
      expect(value(await hello.service().change("prod", id))).toMatchObject({ state: "executed" });
      const { items } = value(await hello.service().history("prod", { limit: 9 }));
      expect(items.map(({ revision, kind, digest }) => [revision, kind, digest])).toEqual([
        [2, "promote", digestNumber(1)],
        [1, "create", digestNumber(2)],
      ]);
    },
    unrepeated: async ({ id }, hello) => {
      // All of it, or nothing.
      const { state, approvals } = value(await hello.service().change("prod", id));
      const { revision } = value(await hello.service().getEnvironment("prod"));
      expect([state, approvals.length, revision]).toEqual(
        state === "open" ? ["open", 0, 1] : ["executed", 1, 2],
      );
    },
  }),
  told({
    story: "a deletion, after which the account has one environment less",
    setUp: async (hello) => {
      value(await hello.service().createEnvironment({ name: "x", image: "latest" }, caller));
    },
    act: (_, hello) => hello.service().deleteEnvironment("x", caller),
    doneBefore: "environment_not_found",
    check: async (_, hello) => expect(await usedBy(hello)).toMatchObject({ environments: 1 }),
    unrepeated: async (_, hello) => {
      const { items } = value(await hello.service().listEnvironments({ limit: 9 }));
      expect(await usedBy(hello)).toMatchObject({ environments: items.length });
    },
  }),
  told({
    story: "a push of what is more than before",
    setUp: async () => {},
    act: (_, hello) => push(hello, 8, "v8"),
    check: async (_, hello) => expect(await usedBy(hello)).toMatchObject({ images: 2, tags: 2 }),
    unrepeated: async (_, hello) => {
      const { items } = value(await hello.service().listImages({ limit: 9 }, caller));
      expect(await usedBy(hello)).toMatchObject({ images: items.length, tags: items.length });
    },
  }),
  told({
    story: "limits of an account, of which the registry keeps one",
    setUp: async () => {},
    act: (_, hello) => hello.accountObject.setQuotas({ images: 5, untagged_bytes: 6 }),
    check: async (_, hello) => {
      const { quotas } = value(await hello.accountObject.describe());
      expect([quotas.images.limit, quotas.untagged_bytes.limit]).toEqual([5, 6]);
      expect(await eventsOf(hello, "account.quotas_changed")).toBeGreaterThan(0);
    },
  }),
  told({
    story: "a termination",
    setUp: async (hello) => {
      const backend = await holding(hello);
      value(await backend.report({ status: "ready" }));
      return backend;
    },
    act: ({ backendId }, hello) => hello.service().terminate(backendId, false, caller),
    check: async (backend, hello, sent) => {
      expect(statuses(await backend.history())).toEqual(["scheduled", "ready", "terminating"]);
      expect(sent("backend.terminate").length).toBeGreaterThan(0);
      expect(await eventsOf(hello, "backend.terminated")).toBe(1);
    },
  }),
  told({
    story: "a termination of what its cluster does not know",
    setUp: async (hello, cluster) => {
      const backend = await holding(hello);
      value(await backend.report({ status: "ready" }));
      cluster.always(() => {
        const isTermination = cluster.received.at(-1)?.message.type === "backend.terminate";
        return isTermination ? notRunningHere() : Response.json({});
      });
      return backend;
    },
    act: ({ backendId }, hello) => hello.service().terminate(backendId, false, caller),
    doneBefore: "backend_not_running",
    check: async (backend, hello) => {
      const kept = await runInDurableObject(backend.shard(), (_, { storage }) =>
        String(
          storage.sql.exec("SELECT history FROM backends WHERE id = ?", backend.backendId).one().history,
        ),
      );
      expect(kept).toContain('"terminated"');
      expect(await notEnded(hello)).toEqual([]);
      await keyIsFree(hello, backend);
    },
  }),
  told({
    story: "a drain, which goes on by itself",
    setUp: async (hello, cluster) => {
      for (const key of ["a", "b", "c"]) value(await hello.connect({ key }));
      await hello.push(2, "latest");
      cluster.always(({ type }) => (type === "backend.terminate" ? notRunningHere() : Response.json({})));
    },
    act: (_, hello) => {
      const idempotency = { principal: "t", key: "drain", requestHash: "h" };
      return hello.service().createDrain(drainBody({ rate_per_minute: 20 }), { ...caller, idempotency });
    },
    withinMs: 45_000,
    check: async (_, hello, sent) => {
      const { items } = value(await hello.service().listDrains({ limit: 9 }));
      expect(items).toMatchObject([{ state: "drained", total: 3, ended: 3, live: 0 }]);
      expect(await notEnded(hello)).toEqual([]);
      // Each once, or again as the same delivery.
      const ids = new Set(sent("backend.terminate").map(({ headers }) => headers["webhook-id"]));
      expect(ids.size).toBe(3);
      for (const type of ["drain.started", "drain.ended"] as const)
        expect(await eventsOf(hello, type)).toBe(1);
    },
    unrepeated: async (_, hello) => {
      const { items } = value(await hello.service().listDrains({ limit: 9 }));
      expect(await notEnded(hello)).toHaveLength(items.length === 0 ? 3 : 0);
      expect(items.map(({ state }) => state)).toEqual(items.map(() => "drained"));
    },
  }),
  told({
    story: "a connect with an Idempotency-Key",
    setUp: async () => ({ ids: new Set<string>() }),
    act: async ({ ids }, hello) => {
      const idempotency = { principal: "t", key: "k", requestHash: "h" };
      const params = connectParams({ key: "doc" });
      const connected = await hello.service().connectBackend(params, { ...caller, idempotency });
      if (connected.ok) ids.add(connected.value.backendId);
      return connected;
    },
    check: async ({ ids: answered }, hello, sent) => {
      const live = await listed(hello);
      expect(live).toEqual([...answered]);
      const ids = sent("backend.spawn").map(({ headers }) => headers["webhook-id"]);
      expect(new Set(ids)).toEqual(new Set([`${live[0]}_spawn`]));
    },
    unrepeated: async (_, hello) => {
      expect((await listed(hello)).length).toBeLessThanOrEqual(1);
    },
  }),
  told({
    story: "a push",
    setUp: async () => null,
    act: (_, hello) => push(hello, 7, "v7"),
    check: async (_, hello) => {
      expect(value(await hello.service().getImage(digestNumber(7), caller)).tags).toEqual(["v7"]);
      expect((await registry(hello).manifest(repository(hello), "v7"))?.digest).toBe(digestNumber(7));
    },
    unrepeated: async (_, hello) => {
      // What the registry has, the service has too, by the registry's alarm.
      const stored = await registry(hello).manifest(repository(hello), "v7");
      const known = await hello.service().getImage(digestNumber(7), caller);
      expect(known.ok).toBe(stored !== null);
    },
  }),
  told({
    story: "a push that moves an environment, by whose token it was",
    setUp: async () => null,
    act: (_, hello) => push(hello, 7, "latest"),
    check: async (_, hello) => expect(await pushedOnce(hello)).toBe(true),
    unrepeated: async (_, hello) => {
      const stored = await registry(hello).manifest(repository(hello), "latest");
      expect(await pushedOnce(hello)).toBe(stored !== null);
    },
  }),
  told({
    story: "a push of an artifact, which moves no environment",
    setUp: async () => null,
    act: (_, hello) => push(hello, 7, "latest", { ...noFacts, runs: { kind: "image", artifact: "a/b" } }),
    check: async (_, hello) => {
      const known = value(await hello.service().getImage(digestNumber(7), caller));
      expect(known).toMatchObject({ artifact_type: "a/b", tags: ["latest"] });
      expect(await pushedOnce(hello)).toBe(false);
    },
    unrepeated: async (_, hello) => {
      const stored = await registry(hello).manifest(repository(hello), "latest");
      const known = await hello.service().getImage(digestNumber(7), caller);
      expect(known.ok ? known.value.artifact_type : null).toBe(stored === null ? null : "a/b");
      expect(await pushedOnce(hello)).toBe(false);
    },
  }),
  told({
    story: "the deletion of a tag",
    setUp: async (hello) => value(await push(hello, 7, "v7")),
    act: async (_, hello) => fromOci(await registry(hello).deleteTag(repository(hello), "v7")),
    doneBefore: "bad_request",
    check: async (_, hello) => {
      expect(await registry(hello).manifest(repository(hello), "v7")).toBeNull();
      expect(value(await hello.service().getImage(digestNumber(7), caller)).tags).toEqual([]);
    },
  }),
  told({
    story: "the deletion of an image",
    setUp: async (hello) => value(await push(hello, 7, "v7")),
    act: async (_, hello) =>
      fromOci(await registry(hello).deleteManifest(repository(hello), digestNumber(7))),
    doneBefore: "bad_request",
    check: async (_, hello) => {
      expect(await registry(hello).manifest(repository(hello), digestNumber(7))).toBeNull();
      expect((await hello.service().getImage(digestNumber(7), caller)).ok).toBe(false);
    },
  }),
  told({
    story: "a pin",
    setUp: async (hello) => hello.push(2, "v2"),
    act: (_, hello) => hello.service().pin("default", { image: "v2" }, caller),
    check: async (_, hello, sent) => {
      const { digest } = value(await hello.service().getEnvironment("default"));
      expect(digest).toBe(digestNumber(2));
      expectAnnounced(sent, ["default"]);
      const before = await eventsOf(hello, "environment.pinned");
      expect(before).toBeGreaterThan(0);
    },
  }),
  told({
    story: "a push that moves two environments, each of which is announced",
    setUp: async (hello) => {
      value(await hello.service().createEnvironment({ name: "x", image: "latest" }, caller));
    },
    act: (_, hello) => push(hello, 7, "latest"),
    check: async (_, hello, sent) => {
      expect(await pushedOnce(hello)).toBe(true);
      expectAnnounced(sent, ["default", "x"]);
    },
  }),
  told({
    story: "the registration of a cluster",
    setUp: async () => null,
    ...registration,
    check: async (_, hello) => {
      expect(await configOf(hello)).toContain('"second"');
      expect(await eventsOf(hello, "cluster.registered")).toBe(2);
    },
    unrepeated: async (_, hello) => {
      const isRegistered = (await hello.accountObject.getCluster("second")).ok;
      expect((await configOf(hello)).includes('"second"')).toBe(isRegistered);
    },
  }),
  told({
    story: "a change of a cluster",
    setUp: async () => null,
    act: (_, hello) =>
      hello.accountObject.patchCluster("main", { webhook_url: "https://cluster.test/other" }, caller),
    check: async (_, hello) => expect(await configOf(hello)).toContain("https://cluster.test/other"),
    unrepeated: async (_, hello) => {
      const { webhook_url } = value(await hello.accountObject.getCluster("main"));
      expect(await configOf(hello)).toContain(webhook_url);
    },
  }),
  told({
    story: "the rotation of a signing secret",
    setUp: async () => null,
    act: (_, hello) => hello.accountObject.rotateSecret("main", secret, caller),
    doneBefore: "already_exists",
    check: async (_, hello) => expect(await configOf(hello)).toContain(secret),
    unrepeated: async (_, hello) => {
      const { clusters } = value(await hello.accountObject.config());
      expect((await configOf(hello)).includes(secret)).toBe(JSON.stringify(clusters).includes(secret));
    },
  }),
  told({
    story: "the deletion of a cluster",
    setUp: async (hello) => {
      value(await register(hello, "second"));
      const agent = agentOf(hello, "second", await registrationOf(hello, "second"));
      value(await agent.beat([]));
      value(await hello.accountObject.testCluster("second"));
      return agent;
    },
    act: (_, hello) => hello.accountObject.deleteCluster("second", caller),
    doneBefore: "cluster_not_found",
    check: async (agent, hello) => {
      expect((await hello.accountObject.getCluster("second")).ok).toBe(false);
      expect(await configOf(hello)).not.toContain('"second"');
      expect(await eventsOf(hello, "cluster.deleted")).toBe(1);
      expect(await storedIn(agent.stub())).toEqual([]);
    },
    unrepeated: async (agent, hello) => {
      const isThere = (await hello.accountObject.getCluster("second")).ok;
      expect((await storedIn(agent.stub())).length > 0).toBe(isThere);
    },
  }),
  told({
    story: "an agent that begins to drain",
    setUp: async (hello) => value(await agentOf(hello).beat([])),
    act: (_, hello) => agentOf(hello).beat([], "agent-1", { draining: true }),
    check: async (_, hello) => expect(await configOf(hello)).toContain('"draining":true'),
  }),
  told({
    story: "a heartbeat without a backend that its agent had",
    setUp: async (hello) => {
      const backend = await holding(hello);
      value(await backend.report({ status: "ready" }));
      value(await agentOf(hello).beat([backend.reported]));
      await passTime(hello.service(), 40_000);
      return backend;
    },
    act: (_, hello) => agentOf(hello).beat([]),
    check: async (backend, hello) => {
      expect((await backend.describe()).history.at(-1)).toMatchObject({
        status: "terminated",
        termination_reason: "lost",
      });
      await keyIsFree(hello, backend);
    },
  }),
  told({
    story: "the loss of a cluster",
    setUp: async (hello) => {
      const backend = await holding(hello);
      value(await agentOf(hello).beat([backend.reported]));
      return { ...backend, registration: await registrationOf(hello) };
    },
    act: async () => ok(null),
    withinMs: 2 * clusterLostAfterMs,
    check: async (backend, hello) => {
      expect((await backend.describe()).history.at(-1)?.termination_reason).toBe("lost");
      expect(await eventsOf(hello, "cluster.lost")).toBe(1);
      await keyIsFree(hello, backend);
    },
  }),
  told({
    story: "the creation of a service",
    setUp: async () => null,
    act: (_, hello) => hello.accountObject.createService({ name: "second" }, caller),
    doneBefore: "already_exists",
    check: async (_, hello) => {
      const second = serviceStub(env, hello.account, "second");
      expect(value(await second.describe()).environments.map(({ name }) => name)).toEqual(["default"]);
      expect(value(await hello.accountObject.serviceNames()).toSorted()).toEqual(["hello", "second"]);
      const code = await runInDurableObject(second, (_, { storage }) =>
        String(storage.sql.exec("SELECT code FROM service").one().code),
      );
      expect(await directoryStub(env, code).lookup(code)).toEqual({
        account: hello.account,
        service: "second",
        location: "auto",
      });
      expect(await configOf(hello, "second")).toBe(await configOf(hello));
      expect(await eventsOf(hello, "service.created")).toBe(2);
    },
  }),
  told({
    story: "the deletion of a service",
    setUp: async (hello) => {
      value(await push(hello, 7, "v7"));
      const backend = await holding(hello);
      value(await backend.report({ status: "ready" }));
      return backend;
    },
    act: (_, hello) => hello.accountObject.deleteService("hello", caller),
    doneBefore: "service_not_found",
    check: async ({ describe }, hello, sent) => {
      expect(value(await hello.accountObject.serviceNames())).toEqual([]);
      expect(await registry(hello).manifest(repository(hello), "v7")).toBeNull();
      expect(sent("backend.terminate").length).toBeGreaterThan(0);
      expect((await describe()).history.at(-1)?.status).toBe("terminating");
      expect(await eventsOf(hello, "service.deleted")).toBe(1);
    },
  }),
  told({
    story: "the forgetting of a service that was deleted long ago",
    setUp: async (hello) => {
      value(await hello.connect());
      const [live] = value(await hello.service().liveBackends());
      if (!live) throw new Error("it runs nothing");
      const code = live.info.id.slice(0, serviceCodeLength);
      value(await hello.accountObject.deleteService("hello", caller));
      value(await hello.report(live.info.id, live.info.fencingToken, "terminated"));
      return { code, token: live.info.fencingToken };
    },
    act: async () => ok(null),
    withinMs: 2 * deletedServicesSeenEveryMs + deletedServicesKeptMs,
    check: async ({ code, token }, hello) => {
      expect(await directoryStub(env, code).lookup(code)).toBeNull();
      expect(await storedIn(hello.service())).toEqual([]);
      const kept = await runInDurableObject(hello.accountObject, (_, { storage: { sql } }) => [
        ...sql.exec("SELECT name FROM services UNION SELECT service FROM holdings"),
      ]);
      expect(kept).toEqual([]);
      value(await hello.accountObject.createService({ name: "hello" }, caller));
      await hello.push(1, "latest");
      value(await hello.connect());
      const [next] = value(await hello.service().liveBackends());
      expect(next?.info.fencingToken).toBeGreaterThan(token);
    },
  }),
];

/** Tells a story, cut or not. @param isRepeated whether its caller tries again where it was not acknowledged */
async function tell(
  cluster: ScriptedCluster,
  { begin, withinMs }: Told,
  cut: Cut | null,
  isRepeated: boolean,
): Promise<{ calls: string[]; isAcknowledged: boolean }> {
  const cuts = new Cuts();
  try {
    const hello = await setUpPinned();
    const { act, check, unrepeated } = await begin(hello, cluster);
    // No alarm that the story's beginning has left makes up for one of its own.
    await cuts.settle(soonMs);
    const sentBefore = cluster.received.length;
    const sent: Sent = (type) =>
      cluster.received.slice(sentBefore).filter(({ message }) => message.type === type);
    cuts.arm(cut);
    const { isAcknowledged } = await cuts.run(act, withinMs);
    const calls = [...cuts.calls];
    if (!isAcknowledged && isRepeated) await cuts.run(act, withinMs);
    await (isAcknowledged || isRepeated ? check(sent) : unrepeated());
    return { calls, isAcknowledged };
  } finally {
    cuts.restore();
  }
}

/** Nothing is decided by the log of attempts, which may lose some. */
const isLog = (call: string | undefined) => call === "Cluster.recordAttempts";

describe("killed at any call between objects, nothing that was acknowledged is lost, and a repetition completes", () => {
  test.for(stories.map((each) => [each.story, each] as const))("%s", async ([_, story], { cluster }) => {
    failureLines();
    const { calls } = await tell(cluster, story, null, true);
    expect(calls.length).toBeGreaterThan(0);
    for (const [i, name] of calls.entries()) {
      for (const at of isLog(name) ? [] : (["before", "after"] as const)) {
        for (const isRepeated of [true, false]) {
          const told = tell(cluster, story, { call: i + 1, at }, isRepeated);
          const { isAcknowledged } = await told.catch((error: unknown) => {
            const where = at === "before" ? `before call ${i + 1}` : `before the answer to call ${i + 1}`;
            const after = isRepeated ? "repeated" : "not repeated";
            throw new Error(`killed ${where}, ${name}, ${after}: ${error}`, { cause: error });
          });
          if (isAcknowledged) break;
        }
      }
    }
  });
});
