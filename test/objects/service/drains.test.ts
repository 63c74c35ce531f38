import { runInDurableObject } from "cloudflare:test";
import { describe, expect, vi } from "vitest";
import {
  drainIdleMs,
  drainLooksEveryMs,
  drainsKept,
  drainsKeptMs,
  drainsUnderWayMax,
  softTerminationGraceSeconds,
} from "../../../src/domain/limits.ts";
import type { Actor } from "../../../src/objects/contract.ts";
import { evict, kill, passTimeRunning } from "../../support/worker/clock.ts";
import { notRunningHere } from "../../support/worker/scripted-cluster.ts";
import { agentOf } from "../support/agent.ts";
import { startBackend } from "../support/backend.ts";
import { metered } from "../support/cost.ts";
import {
  drainBody,
  drainOf,
  endsAtOnce,
  moveOn,
  newDigest,
  oldDigest,
  run,
  settled,
  shown,
  startKeyed,
} from "../support/drains.ts";
import { test } from "../support/object-test.ts";
import { actor, caller, code, digestNumber, type Hello, value } from "../support/service.ts";

const second = 1_000;
const minute = 60 * second;
const isoTime = (at: number) => new Date(at).toISOString();

const only = (...environments: string[]): Actor => ({ ...actor, environments });

/** The events of drains, of which there must be so many, oldest first. Those of one moment are in no order. */
async function eventsOf(hello: Hello, count: number) {
  return vi.waitFor(async () => {
    const { items } = value(await hello.accountObject.listEvents({ limit: 200 }));
    const events = items.filter(({ type }) => type.startsWith("drain.")).reverse();
    expect(events).toHaveLength(count);
    return events.map(({ type, details, environment, actor: by }) => ({ type, details, environment, by }));
  });
}

/** Waits until the account has all events. */
function eventsSent(hello: Hello): Promise<void> {
  return vi.waitFor(async () => {
    const queued = await runInDurableObject(hello.service(), (_, { storage }) =>
      storage.sql.exec("SELECT id FROM event_outbox").toArray(),
    );
    expect(queued).toEqual([]);
  });
}

describe("a drain", () => {
  test("ends what runs the digest, softly, oldest first and at its rate, and is over when all have ended", async ({
    pinned: hello,
    cluster,
  }) => {
    const ids = await startKeyed(hello, 3);
    await moveOn(hello);
    const young = value(await hello.connect({ key: "young" })).backendId;
    const startedAt = Date.now();
    const sent = endsAtOnce(cluster);
    const begun = await drainOf(hello, { environment: "default", rate_per_minute: 30 });
    expect(begun).toMatchObject({
      state: "draining",
      environment: "default",
      digest: oldDigest,
      when: "idle",
      rate_per_minute: 30,
      total: 3,
      ended: 0,
      live: 3,
      kept: 0,
      oldest_started_at: isoTime(startedAt),
      eta: isoTime(Date.now() + 4 * second + softTerminationGraceSeconds * second),
      held_up_by: { count: 0, backends: [] },
    });
    await run(hello, 3 * second);
    expect(await shown(hello, begun)).toMatchObject({ state: "draining", total: 3, ended: 2, live: 1 });
    await run(hello, 3 * second);
    expect(sent).toEqual([
      { id: ids[0], at: 0, hard: false },
      { id: ids[1], at: 2 * second, hard: false },
      { id: ids[2], at: 4 * second, hard: false },
    ]);
    const over = await shown(hello, begun);
    expect(over).toMatchObject({
      state: "drained",
      total: 3,
      ended: 3,
      live: 0,
      oldest_started_at: null,
      eta: null,
    });
    expect(over).toMatchObject({ ended_at: isoTime(startedAt + 4 * second) });
    expect(over.reason).toBeUndefined();
    expect(value(await hello.service().getBackend(young)).status).not.toMatch(/terminat/);
    const by = { token_id: actor.tokenId, token_name: actor.tokenName };
    const named = { drain_id: begun.id, digest: oldDigest };
    expect(await eventsOf(hello, 2)).toEqual([
      { type: "drain.started", environment: "default", by, details: { ...named, live: 3 } },
      {
        type: "drain.ended",
        environment: "default",
        by: null,
        details: { ...named, state: "drained", total: 3, ended: 3 },
      },
    ]);
  });

  test("is drained at once where nothing lives that it means", async ({ pinned: hello }) => {
    await moveOn(hello);
    const begun = await drainOf(hello);
    expect(begun).toMatchObject({ state: "drained", total: 0, ended: 0, live: 0 });
    expect(begun.ended_at).toBe(begun.created_at);
    const events = (await eventsOf(hello, 2)).map(({ type }) => type);
    expect(events.sort()).toEqual(["drain.ended", "drain.started"]);
  });

  test("hands a key that reconnects a new session, on what its environment resolves to now", async ({
    pinned: hello,
    cluster,
  }) => {
    const [old] = await startKeyed(hello, 1);
    await moveOn(hello);
    endsAtOnce(cluster);
    const reused = value(await hello.connect({ key: "doc-0" }));
    expect([reused.backendId, reused.spawned]).toEqual([old, false]);
    await drainOf(hello);
    await run(hello, second);
    const next = value(await hello.connect({ key: "doc-0" }));
    expect(next.spawned).toBe(true);
    expect(value(await hello.service().getBackend(next.backendId)).image.digest).toBe(newDigest);
  });

  test("leaves what is to be kept, and does not count it", async ({ pinned: hello, cluster }) => {
    const ids = await startKeyed(hello, 4);
    await moveOn(hello);
    const sent = endsAtOnce(cluster);
    const begun = await drainOf(hello, {
      keep: { keys: ["doc-1", "no such key"], backends: [ids[2] ?? ""] },
    });
    expect(begun).toMatchObject({ total: 2, live: 2, kept: 2 });
    expect(begun.keep?.keys).toEqual(["doc-1", "no such key"]);
    await run(hello, 10 * second);
    expect(sent.map(({ id }) => id)).toEqual([ids[0], ids[3]]);
    expect(await shown(hello, begun)).toMatchObject({
      state: "drained",
      total: 2,
      ended: 2,
      live: 0,
      kept: 2,
    });
  });

  test("counts a spawn that is on its way, and is over only when that has ended", async ({
    pinned: hello,
    cluster,
  }) => {
    const answer = Promise.withResolvers<Response>();
    cluster.script(() => answer.promise);
    const connecting = hello.connect({ key: "doc" });
    await vi.waitFor(() => expect(cluster.of("backend.spawn")).toHaveLength(1));
    await moveOn(hello);
    const begun = await drainOf(hello);
    expect(begun).toMatchObject({ state: "draining", total: 1, live: 1 });
    endsAtOnce(cluster);
    answer.resolve(Response.json({}));
    await connecting;
    await run(hello, 20 * second);
    expect(await shown(hello, begun)).toMatchObject({ state: "drained", ended: 1 });
  });

  test("means nothing that was spawned after it began, whatever that names", async ({
    pinned: hello,
    cluster,
  }) => {
    await startKeyed(hello, 2);
    await moveOn(hello);
    endsAtOnce(cluster);
    const begun = await drainOf(hello, { rate_per_minute: 1 });
    const later = value(await hello.connect({ key: "later", spawn: { tag: oldDigest } })).backendId;
    expect(await shown(hello, begun)).toMatchObject({ total: 2 });
    await run(hello, 2 * minute, 10 * second);
    expect(await shown(hello, begun)).toMatchObject({ state: "drained", total: 2, ended: 2 });
    expect(value(await hello.service().getBackend(later)).status).not.toBe("terminated");
  });

  test("counts what ends otherwise, and is over with the last of it", async ({ pinned: hello, cluster }) => {
    const ids = await startKeyed(hello, 3);
    await moveOn(hello);
    const sent = endsAtOnce(cluster);
    const begun = await drainOf(hello, { rate_per_minute: 1 });
    await settled(hello);
    for (const id of ids.slice(1)) value(await hello.service().terminate(id, true, caller));
    await settled(hello);
    expect(await shown(hello, begun)).toMatchObject({ state: "drained", total: 3, ended: 3 });
    expect(sent.map(({ hard }) => hard)).toEqual([false, true, true]);
  });

  test("ends hard what does not end in its grace, and waits for that", async ({ pinned: hello, cluster }) => {
    await startKeyed(hello, 1);
    await moveOn(hello);
    const begun = await drainOf(hello);
    await run(hello, softTerminationGraceSeconds * second);
    expect(await shown(hello, begun)).toMatchObject({ state: "draining", live: 1 });
    await passTimeRunning(hello.service(), minute);
    const how = cluster
      .of("backend.terminate")
      .map(({ message }) => message.type === "backend.terminate" && message.data.hard);
    expect(how).toEqual([false, true]);
  });
});

test("a cluster that was away for a while is not sent at once what it has missed", async ({
  pinned: hello,
  cluster,
}) => {
  const ids = await startKeyed(hello, 12);
  await moveOn(hello);
  cluster.always(() => new Response(null, { status: 503 }));
  const begun = await drainOf(hello, { rate_per_minute: 30 });
  await passTimeRunning(hello.service(), minute);
  expect(await shown(hello, begun)).toMatchObject({ live: 12, ended: 0 });
  const sent = endsAtOnce(cluster);
  // The next attempt at what it was sent first comes a minute later at most.
  for (let i = 0; i < 200 && (await shown(hello, begun)).state === "draining"; i++) {
    await passTimeRunning(hello.service(), second);
    await cluster.quiet();
  }
  const first = ids.flatMap((id) => sent.find((each) => each.id === id) ?? []);
  expect(first).toHaveLength(ids.length);
  for (const { at } of first) {
    const inTenSeconds = first.filter((other) => other.at >= at && other.at < at + 10 * second);
    expect(inTenSeconds.length).toBeLessThanOrEqual(6);
  }
  expect(await shown(hello, begun)).toMatchObject({ state: "drained", ended: 12 });
});

test("one backend whose end its cluster does not take holds up the others for its grace, and not for good", async ({
  pinned: hello,
  cluster,
}) => {
  const ids = await startKeyed(hello, 4);
  await moveOn(hello);
  const ended: string[] = [];
  cluster.always(({ type, data }) => {
    if (type !== "backend.terminate") return Response.json({});
    if (data.backend_id === ids[0]) return new Response(null, { status: 500 });
    ended.push(data.backend_id);
    return notRunningHere();
  });
  const begun = await drainOf(hello);
  for (let i = 0; i < 90; i++) {
    await passTimeRunning(hello.service(), second);
    await cluster.quiet();
  }
  expect(ended).toEqual(ids.slice(1));
  expect(await shown(hello, begun)).toMatchObject({ total: 4, ended: 3, live: 1 });
});

describe("a session without a key", () => {
  /** One without a key, which is ready, and an agent that lists it. */
  async function setUp(hello: Hello) {
    const backend = await startBackend(hello);
    value(await backend.report({ status: "ready" }));
    await moveOn(hello);
    return {
      id: backend.backendId,
      beat: async (idle_seconds?: number) => {
        const entry = { ...backend.reported, ...(idle_seconds === undefined ? {} : { idle_seconds }) };
        value(await agentOf(hello).beat([entry]));
      },
    };
  }

  test("is ended once it is idle, and is shown as what holds the drain up until then", async ({
    pinned: hello,
    cluster,
  }) => {
    const { id, beat } = await setUp(hello);
    const sent = endsAtOnce(cluster);
    const begun = await drainOf(hello);
    const held = { count: 1, backends: [id] };
    expect(begun).toMatchObject({ live: 1, held_up_by: held, eta: null });
    await beat(0);
    await run(hello, minute, 10 * second);
    expect(sent).toEqual([]);
    await beat(1);
    await run(hello, drainIdleMs / 2);
    expect(await shown(hello, begun)).toMatchObject({ state: "draining", held_up_by: held });
    // The last connection was no earlier than the heartbeat before this one was on its way.
    await run(hello, drainIdleMs + drainLooksEveryMs);
    expect(sent.map((each) => each.id)).toEqual([id]);
    expect(await shown(hello, begun)).toMatchObject({ state: "drained", held_up_by: { count: 0 } });
  });

  test("is not ended while nobody says that it is idle: not after a restart, nor by an agent that is silent", async ({
    pinned: hello,
    cluster,
  }) => {
    const { beat } = await setUp(hello);
    const sent = endsAtOnce(cluster);
    const begun = await drainOf(hello);
    await run(hello, minute, 10 * second);
    await beat(300);
    await evict(hello.service());
    await run(hello, 20 * second, 5 * second);
    expect(sent).toEqual([]);
    await beat(330);
    // So long that its agent holds no lease any more.
    vi.setSystemTime(Date.now() + minute);
    await run(hello, 5 * second);
    expect(sent).toEqual([]);
    expect(await shown(hello, begun)).toMatchObject({ state: "draining", live: 1 });
    await beat(400);
    await run(hello, drainLooksEveryMs);
    expect(sent).toHaveLength(1);
  });

  test("that is never idle is ended in the end, where the drain says when", async ({
    pinned: hello,
    cluster,
  }) => {
    const { id, beat } = await setUp(hello);
    const sent = endsAtOnce(cluster);
    await beat(0);
    const begun = await drainOf(hello, { when: { at_end_of: 90 } });
    const eta = isoTime(Date.now() + 90 * second + softTerminationGraceSeconds * second);
    expect(begun).toMatchObject({ when: { at_end_of: 90 }, eta, held_up_by: { count: 1 } });
    await run(hello, 89 * second, second);
    expect(sent).toEqual([]);
    await run(hello, second);
    expect(sent).toEqual([{ id, at: 90 * second, hard: false }]);
    expect(await shown(hello, begun)).toMatchObject({ state: "drained" });
  });

  test("is expected to end when it has lived as long as others did in its environment", async ({
    pinned: hello,
    cluster,
  }) => {
    const other = await startBackend(hello);
    value(await other.report({ status: "ready" }));
    await run(hello, 10 * minute, minute);
    value(await other.report({ status: "terminated", exit_code: 0 }));
    const lived = Date.now() - Date.parse("2030-01-01T00:00:00Z");
    const startedAt = Date.now();
    const { beat } = await setUp(hello);
    endsAtOnce(cluster);
    await beat(0);
    const { eta } = await drainOf(hello);
    expect(eta).toBe(isoTime(startedAt + lived + softTerminationGraceSeconds * second));
  });
});

describe("what nobody has seen to end keeps a drain draining", () => {
  test("where its cluster is lost and needs proof, until there is proof", async ({
    pinned: hello,
    cluster,
  }) => {
    const backend = await startBackend(hello, "doc");
    value(await backend.report({ status: "ready" }));
    const agent = agentOf(hello);
    value(await agent.beat([backend.reported], "agent-1", { fence: "proof" }));
    await moveOn(hello);
    await passTimeRunning(agent.stub(), minute);
    cluster.always(() => new Response(null, { status: 500 }));
    const begun = await drainOf(hello);
    expect(begun).toMatchObject({ state: "draining", live: 1, eta: null });
    expect(begun.held_up_by).toEqual({ count: 1, backends: [backend.backendId] });
    await passTimeRunning(hello.service(), 10 * minute);
    expect(await shown(hello, begun)).toMatchObject({ state: "draining", live: 1, ended: 0 });
    endsAtOnce(cluster);
    await passTimeRunning(hello.service(), 6 * minute);
    await settled(hello);
    expect(await shown(hello, begun)).toMatchObject({ state: "drained", ended: 1 });
  });

  test("until somebody vouches for its end", async ({ pinned: hello }) => {
    const backend = await startBackend(hello, "doc");
    value(await backend.report({ status: "ready" }));
    const agent = agentOf(hello);
    value(await agent.beat([backend.reported], "agent-1", { fence: "proof" }));
    await moveOn(hello);
    await passTimeRunning(agent.stub(), minute);
    const begun = await drainOf(hello);
    value(await hello.service().releaseBackend(backend.backendId, "it was switched off", caller));
    expect(await shown(hello, begun)).toMatchObject({ state: "drained", ended: 1 });
  });
});

describe("an environment that moves", () => {
  test("back to the digest ends its drain at once", async ({ pinned: hello, cluster }) => {
    await startKeyed(hello, 3);
    await moveOn(hello);
    const sent = endsAtOnce(cluster);
    const begun = await drainOf(hello, { environment: "default", rate_per_minute: 1 });
    await settled(hello);
    value(await hello.service().pin("default", { image: oldDigest }, caller));
    const over = await shown(hello, begun);
    expect(over).toMatchObject({ state: "cancelled", reason: "digest_current", total: 3, ended: 1, live: 2 });
    await run(hello, 3 * minute, 30 * second);
    expect(sent).toHaveLength(1);
    expect(await shown(hello, begun)).toEqual(over);
    const ends = (await eventsOf(hello, 2)).filter(({ type }) => type === "drain.ended");
    expect(ends[0]).toMatchObject({
      type: "drain.ended",
      by: null,
      details: { state: "cancelled", reason: "digest_current", total: 3, ended: 1 },
    });
  });

  test("to something else, or another one to the digest, ends it not; one of all environments it does", async ({
    pinned: hello,
  }) => {
    value(await hello.service().createEnvironment({ name: "staging", image: "latest" }, caller));
    await startKeyed(hello, 2, "default");
    await moveOn(hello);
    const of = await drainOf(hello, { environment: "default", rate_per_minute: 1 });
    const all = await drainOf(hello, { rate_per_minute: 1 });
    value(await hello.service().pin("staging", { image: oldDigest }, caller));
    expect(await shown(hello, of)).toMatchObject({ state: "draining" });
    expect(await shown(hello, all)).toMatchObject({ state: "cancelled", reason: "digest_current" });
    await hello.push(3, "latest");
    expect(await shown(hello, of)).toMatchObject({ state: "draining" });
  });

  test("is one that is created with it, too", async ({ pinned: hello }) => {
    await startKeyed(hello, 2);
    await moveOn(hello);
    const begun = await drainOf(hello, { rate_per_minute: 1 });
    value(await hello.service().createEnvironment({ name: "x", image: oldDigest }, caller));
    expect(await shown(hello, begun)).toMatchObject({ state: "cancelled", reason: "digest_current" });
  });

  test("takes what it runs again out of a drain of what came before, and that ends where nothing is left", async ({
    pinned: hello,
    cluster,
  }) => {
    await startKeyed(hello, 3);
    await moveOn(hello);
    value(await hello.connect({ key: "new" }));
    endsAtOnce(cluster);
    vi.setSystemTime(Date.now() + second);
    const before = isoTime(Date.now());
    const begun = await drainOf(hello, { digest: undefined, before, rate_per_minute: 1 });
    expect(begun).toMatchObject({ before, total: 3, live: 3 });
    await settled(hello);
    value(await hello.service().pin("default", { image: oldDigest }, caller));
    expect(await shown(hello, begun)).toMatchObject({ state: "draining", total: 2, ended: 1, live: 1 });
    value(await hello.service().pin("default", { image: newDigest }, caller));
    expect(await shown(hello, begun)).toMatchObject({ state: "draining", total: 3, ended: 1, live: 2 });
    await run(hello, 3 * minute, 10 * second);
    expect(await shown(hello, begun)).toMatchObject({ state: "drained", total: 3, ended: 3, live: 0 });

    await hello.push(3, "v3");
    value(await hello.service().pin("default", { image: "v3" }, caller));
    cluster.always(() => Response.json({}));
    const again = await drainOf(hello, {
      digest: undefined,
      before: isoTime(Date.now()),
      rate_per_minute: 1,
    });
    expect(again).toMatchObject({ state: "draining", total: 1 });
    value(await hello.service().pin("default", { image: newDigest }, caller));
    expect(await shown(hello, again)).toMatchObject({
      state: "cancelled",
      reason: "digest_current",
      live: 0,
    });
  });

  test("on gives a drain that had nothing more to end what it means now", async ({
    pinned: hello,
    cluster,
  }) => {
    const [old] = await startKeyed(hello, 1);
    await moveOn(hello);
    const [current] = [value(await hello.connect({ key: "new" })).backendId];
    vi.setSystemTime(Date.now() + second);
    const begun = await drainOf(hello, { digest: undefined, before: isoTime(Date.now()) });
    await vi.waitFor(() => expect(cluster.of("backend.terminate")).toHaveLength(1));
    await hello.push(3, "latest");
    await vi.waitFor(() => expect(cluster.of("backend.terminate")).toHaveLength(1));
    await run(hello, 2 * second);
    const ended = cluster
      .of("backend.terminate")
      .map(({ message }) => message.type === "backend.terminate" && message.data.backend_id);
    expect(ended).toEqual([old, current]);
    expect(await shown(hello, begun)).toMatchObject({ state: "draining", total: 2, live: 2 });
  });
});

describe("what came before a revision", () => {
  test("is what was spawned before it, without what runs the digest that is current again", async ({
    pinned: hello,
    cluster,
  }) => {
    const spawned: string[] = [];
    const pin = (n: number) => hello.service().pin("default", { image: digestNumber(n) }, caller);
    for (const n of [2, 3, 1]) await hello.push(n, `v${n}`);
    for (const n of [1, 2, 3, 1]) {
      value(await pin(n));
      spawned.push(value(await hello.connect({ key: `of-${n}-${spawned.length}` })).backendId);
    }
    const { revision } = value(await hello.service().getEnvironment("default"));
    const sent = endsAtOnce(cluster);
    const of = { digest: undefined, environment: "default" };
    const few = await drainOf(hello, { ...of, before_revision: revision - 1 });
    expect(few).toMatchObject({ before_revision: revision - 1, total: 1, live: 1 });
    await run(hello, 5 * second);
    expect(sent.map(({ id }) => id)).toEqual([spawned[1]]);
    const all = await drainOf(hello, { ...of, before_revision: revision });
    expect(all).toMatchObject({ total: 1, live: 1 });
    await run(hello, 5 * second);
    expect(sent.map(({ id }) => id)).toEqual([spawned[1], spawned[2]]);
    expect(await drainOf(hello, { ...of, before_revision: 1 })).toMatchObject({ state: "drained", total: 0 });
  });
});

describe("a drain is refused", () => {
  test("of what an environment runs now, with what runs it", async ({ pinned: hello }) => {
    value(await hello.service().createEnvironment({ name: "staging", image: oldDigest }, caller));
    await moveOn(hello);
    const create = (body: object, by = actor) =>
      hello.service().createDrain(drainBody(body), { ...caller, actor: by });
    const refused = await create({});
    expect(refused).toMatchObject({
      ok: false,
      error: { code: "digest_current", details: { digest: oldDigest, environments: ["staging"] } },
    });
    expect(code(await create({ environment: "staging" }))).toBe("digest_current");
    value(await create({ environment: "default" }));
    value(await create({}, only("default")));
    expect(JSON.stringify(await create({ digest: newDigest }, only("default")))).not.toContain("staging");
  });

  test("of an environment that there is not, or that the token does not reach; of a digest that nobody knows", async ({
    pinned: hello,
  }) => {
    value(await hello.service().createEnvironment({ name: "staging", image: oldDigest }, caller));
    await moveOn(hello);
    const create = (body: object, by = actor) =>
      hello.service().createDrain(drainBody(body), { ...caller, actor: by });
    expect(code(await create({ environment: "prdo" }))).toBe("environment_not_found");
    expect(code(await create({ environment: "default" }, only("staging")))).toBe("forbidden");
    expect(code(await create({ environment: "nowhere" }, only("staging")))).toBe("forbidden");
    expect(code(await create({ digest: digestNumber(9) }))).toBe("image_not_found");
    expect(value(await hello.service().listDrains({ limit: 50 })).items).toEqual([]);
  });

  test("while too many are under way, but for one that is drained at once", async ({ pinned: hello }) => {
    await startKeyed(hello, 2);
    await moveOn(hello);
    const create = () => hello.service().createDrain(drainBody({ rate_per_minute: 1 }), caller);
    const drains = [];
    for (let i = 0; i < drainsUnderWayMax; i++) drains.push(value(await create()));
    expect(code(await create())).toBe("too_many_drains");
    await hello.push(3, "unused");
    expect(await drainOf(hello, { digest: digestNumber(3) })).toMatchObject({ state: "drained" });
    value(await hello.service().cancelDrain(drains[0]?.id ?? "", caller));
    value(await create());
  });
});

describe("a drain that is cancelled", () => {
  test("ends nothing any more, says who did it, and can be cancelled again", async ({
    pinned: hello,
    cluster,
  }) => {
    await startKeyed(hello, 3);
    await moveOn(hello);
    const sent = endsAtOnce(cluster);
    const { id } = await drainOf(hello, { rate_per_minute: 6 });
    await settled(hello);
    const over = value(await hello.service().cancelDrain(id, caller));
    expect(over).toMatchObject({ state: "cancelled", reason: "requested", total: 3, ended: 1, live: 2 });
    await run(hello, minute, 10 * second);
    expect(sent).toHaveLength(1);
    expect(value(await hello.service().cancelDrain(id, caller))).toEqual(over);
    const ends = (await eventsOf(hello, 2)).filter(({ type }) => type === "drain.ended");
    expect(ends).toMatchObject([{ by: { token_id: actor.tokenId }, details: { reason: "requested" } }]);
  });

  test("was not drained before: that is over", async ({ pinned: hello }) => {
    await moveOn(hello);
    const { id } = await drainOf(hello);
    expect(code(await hello.service().cancelDrain(id, caller))).toBe("drain_over");
    expect(code(await hello.service().cancelDrain("nothing", caller))).toBe("drain_not_found");
  });

  test("is so with its service's deletion, and nothing of it is shown by one that is made anew", async ({
    pinned: hello,
  }) => {
    await startKeyed(hello, 2);
    await moveOn(hello);
    const { id } = await drainOf(hello);
    value(await hello.accountObject.deleteService("hello", caller));
    const ends = (await eventsOf(hello, 2)).filter(({ type }) => type === "drain.ended");
    expect(ends[0]).toMatchObject({
      details: { reason: "service_deleted", drain_id: id },
    });
    expect(code(await hello.service().getDrain(id))).toBe("service_not_found");
    value(await hello.accountObject.createService({ name: "hello" }, caller));
    expect(value(await hello.service().listDrains({ limit: 50 })).items).toEqual([]);
    expect(code(await hello.service().getDrain(id))).toBe("drain_not_found");
  });
});

describe("a token that is narrowed to environments", () => {
  test("drains only there, and sees only what is all there", async ({ pinned: hello, cluster }) => {
    for (const name of ["staging", "qa"]) {
      value(await hello.service().createEnvironment({ name, image: "latest" }, caller));
    }
    const ids: string[] = [];
    for (const environment of ["default", "staging", "qa"]) {
      ids.push(...(await startKeyed(hello, 1, environment)));
    }
    await moveOn(hello);
    const sent = endsAtOnce(cluster);
    const whole = await drainOf(hello, { rate_per_minute: 1, keep: { keys: ["doc-0"] } });
    const by = { ...caller, actor: only("staging", "qa") };
    const theirs = value(await hello.service().createDrain(drainBody(), by));
    expect(theirs).toMatchObject({ environments: ["qa", "staging"], total: 2 });
    await run(hello, 5 * second);
    expect(sent.map(({ id }) => id)).toEqual(ids.slice(1));
    const idsFor = async (allowed?: string[]) =>
      value(await hello.service().listDrains({ limit: 50 }, allowed)).items.map(({ id }) => id);
    expect(await idsFor()).toEqual([theirs.id, whole.id]);
    expect(await idsFor(["staging", "qa"])).toEqual([theirs.id]);
    expect(await idsFor(["staging"])).toEqual([]);
    expect(code(await hello.service().getDrain(theirs.id, ["staging"]))).toBe("drain_not_found");
    expect(code(await hello.service().cancelDrain(whole.id, by))).toBe("drain_not_found");
  });
});

test("a repeated request begins one drain", async ({ pinned: hello }) => {
  await startKeyed(hello, 2);
  await moveOn(hello);
  const idempotency = { principal: actor.tokenId, key: "once", requestHash: "same" };
  const create = () => hello.service().createDrain(drainBody(), { ...caller, idempotency });
  expect(value(await create())).toEqual(value(await create()));
  expect(value(await hello.service().listDrains({ limit: 50 })).items).toHaveLength(1);
});

test("drains that are over are kept, the last of them and for a time; those under way are all", async ({
  pinned: hello,
}) => {
  await startKeyed(hello, 2);
  await moveOn(hello);
  await hello.push(3, "unused");
  const first = await drainOf(hello, { rate_per_minute: 1 });
  const over: string[] = [];
  for (let i = 0; i < drainsKept + 5; i++)
    over.unshift((await drainOf(hello, { digest: digestNumber(3) })).id);
  const listed: string[] = [];
  let cursor: string | undefined;
  do {
    const page = value(
      await hello.service().listDrains({ limit: 40, ...(cursor === undefined ? {} : { cursor }) }),
    );
    listed.push(...page.items.map(({ id }) => id));
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
  expect(listed).toEqual([...over.slice(0, drainsKept + 1), first.id]);
  expect(code(await hello.service().getDrain(over.at(-1) ?? ""))).toBe("drain_not_found");
  vi.setSystemTime(Date.now() + drainsKeptMs);
  expect(value(await hello.service().listDrains({ limit: 50 })).items.map(({ id }) => id)).toEqual([
    first.id,
  ]);
  expect(code(await hello.service().getDrain(over[0] ?? ""))).toBe("drain_not_found");
});

describe("an object that is", () => {
  test.for([
    ["evicted", evict],
    ["killed", kill],
  ] as const)(
    "%s during a drain keeps its rate, and ends each once",
    async ([, end], { pinned: hello, cluster }) => {
      const ids = await startKeyed(hello, 5);
      await moveOn(hello);
      const sent = endsAtOnce(cluster);
      const begun = await drainOf(hello, { rate_per_minute: 20 });
      for (let i = 0; i < 8; i++) {
        await run(hello, 2 * second, 500);
        await end(hello.service());
        // It does what is due, and ends none.
        const created_before = isoTime(0);
        value(await hello.service().createTermination({ hard: false, created_before }, caller));
      }
      expect(sent.map(({ id }) => id)).toEqual(ids);
      for (const [i, { at }] of sent.entries()) expect(at).toBeGreaterThanOrEqual(i * 3 * second);
      expect(await shown(hello, begun)).toMatchObject({ state: "drained", total: 5, ended: 5 });
    },
  );
});

test("a spawn and a held key cost what they cost without a drain", async ({ pinned: hello }) => {
  await startKeyed(hello, 3);
  await moveOn(hello);
  const meter = await metered(hello.service());
  async function costs(key: string) {
    const costOf = async () => {
      meter.reset();
      value(await hello.connect({ key }));
      await new Promise((resolve) => setTimeout(resolve, 0));
      const { rows, read, statements } = structuredClone(meter.cost);
      return { rows, read, statements };
    };
    return { spawn: await costOf(), held: await costOf() };
  }
  await costs("first");
  await eventsSent(hello);
  const without = await costs("second");
  const begun = await drainOf(hello, { rate_per_minute: 1 });
  await settled(hello);
  await eventsSent(hello);
  // What is kept in memory is read again after any write of the service's own rows.
  await costs("third");
  expect(await costs("fourth")).toEqual(without);
  expect(await shown(hello, begun)).toMatchObject({ state: "draining", live: 3 });
});
