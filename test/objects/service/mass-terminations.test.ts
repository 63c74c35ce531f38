import { describe, expect, vi } from "vitest";
import { deliveriesTakenAtOnce, nextDeliveriesAfterMs, webhooksAtOnce } from "../../../src/domain/limits.ts";
import type { Actor } from "../../../src/objects/contract.ts";
import { evict, passTimeAndSettle } from "../../support/worker/clock.ts";
import type { ScriptedCluster } from "../../support/worker/scripted-cluster.ts";
import { notRunningHere } from "../../support/worker/scripted-cluster.ts";
import { notEnded, register } from "../support/agent.ts";
import { test } from "../support/object-test.ts";
import { actor, caller, code, type Hello, value } from "../support/service.ts";

const many = deliveriesTakenAtOnce + 30;
const patient = { timeout: 30_000, interval: 5 };

/** Starts backends, all at once. */
async function start(hello: Hello, count: number, cluster?: string): Promise<string[]> {
  const spawn = cluster === undefined ? {} : { cluster };
  const connected = await Promise.all(Array.from({ length: count }, () => hello.connect({ spawn })));
  return connected.map((each) => value(each).backendId).sort();
}

/** A cluster that does not know what it is to terminate: each backend has ended with its termination. */
function knowsNothing(cluster: ScriptedCluster): void {
  cluster.always(({ type }) => (type === "backend.terminate" ? notRunningHere() : Response.json({})));
}

function terminated(cluster: ScriptedCluster): string[] {
  return cluster
    .of("backend.terminate")
    .map(({ message }) => (message.type === "backend.terminate" ? message.data.backend_id : ""))
    .sort();
}

/** Lets the clock run, with the alarms that are due, until something holds. */
function until(hello: Hello, holds: () => Promise<void> | void): Promise<void> {
  return vi.waitFor(async () => {
    await passTimeAndSettle(hello.service(), nextDeliveriesAfterMs);
    await holds();
  }, patient);
}

async function progress(hello: Hello, id: string, allowed?: string[]) {
  const {
    status,
    total,
    terminated: ended,
    remaining,
  } = value(await hello.service().getTermination(id, allowed));
  return { status, total, terminated: ended, remaining };
}

const only = (...environments: string[]): Actor => ({ ...actor, environments });

describe("the termination of many backends", () => {
  test("is requested in one call, sends each its webhook once and few at a time, and shows how far it is", async ({
    pinned: hello,
    cluster,
  }) => {
    const ids = await start(hello, many);
    knowsNothing(cluster);
    const begun = value(await hello.service().createTermination({ hard: false }, caller));
    expect(begun).toMatchObject({ status: "running", total: many, remaining: many, cause: "request" });
    await until(hello, () => expect(terminated(cluster).length).toBeGreaterThan(deliveriesTakenAtOnce / 2));
    const half = await progress(hello, begun.id);
    expect(half.terminated + half.remaining).toBe(many);
    expect(half.remaining).toBeGreaterThan(0);
    await until(hello, async () => expect((await progress(hello, begun.id)).status).toBe("complete"));
    expect(terminated(cluster)).toEqual(ids);
    expect(cluster.mostWaiting()).toBeLessThanOrEqual(webhooksAtOnce);
    expect(await progress(hello, begun.id)).toEqual({
      status: "complete",
      total: many,
      terminated: many,
      remaining: 0,
    });
  });

  test("goes on after the object was evicted in the middle of it", async ({ pinned: hello, cluster }) => {
    const ids = await start(hello, many);
    knowsNothing(cluster);
    const { id } = value(await hello.service().createTermination({ hard: true }, caller));
    await until(hello, () => expect(terminated(cluster).length).toBeGreaterThan(0));
    await evict(hello.service());
    await until(hello, async () => expect((await progress(hello, id)).remaining).toBe(0));
    expect([...new Set(terminated(cluster))]).toEqual(ids);
  });

  test("does not wait for a cluster that does not answer, to which it sends few", async ({
    pinned: hello,
    cluster,
  }) => {
    value(await register(hello, "other"));
    await start(hello, many);
    const others = await start(hello, many, "other");
    const theirs = new Set(others);
    let hung = 0;
    const never = Promise.withResolvers<void>();
    cluster.always(({ type, data }) => {
      if (type !== "backend.terminate") return Response.json({});
      if (theirs.has(data.backend_id)) return notRunningHere();
      hung += 1;
      return never.promise.then(notRunningHere);
    });
    const { id } = value(await hello.service().createTermination({ hard: false }, caller));
    await until(hello, async () => expect((await progress(hello, id)).remaining).toBe(many));
    expect(hung).toBeLessThan(webhooksAtOnce);
    never.resolve();
    await until(hello, async () => expect((await progress(hello, id)).remaining).toBe(0));
  });

  test("that is requested again while it goes on is the same one, which then means newer backends too", async ({
    pinned: hello,
    cluster,
  }) => {
    await start(hello, 3);
    const first = value(await hello.service().createTermination({ hard: false }, caller));
    expect(value(await hello.service().createTermination({ hard: false }, caller))).toEqual(first);
    await start(hello, 2);
    const more = value(await hello.service().createTermination({ hard: false }, caller));
    expect(more).toMatchObject({ id: first.id, total: 5, remaining: 5 });
    const hard = value(await hello.service().createTermination({ hard: true }, caller));
    expect(hard.id).not.toBe(first.id);
    await cluster.settledOf("backend.terminate", 10);
    expect(value(await hello.service().listTerminations()).map(({ id }) => id)).toEqual([hard.id, first.id]);
  });

  test("that is repeated with its Idempotency-Key after its end ends nothing that was started since", async ({
    pinned: hello,
    cluster,
  }) => {
    await start(hello, 2);
    knowsNothing(cluster);
    const idempotent = {
      ...caller,
      idempotency: { principal: actor.tokenId, key: "once", requestHash: "same" },
    };
    const { id } = value(await hello.service().createTermination({ hard: false }, idempotent));
    await until(hello, async () => expect((await progress(hello, id)).status).toBe("complete"));
    const [young] = await start(hello, 1);
    expect(value(await hello.service().createTermination({ hard: false }, idempotent)).id).toBe(id);
    expect(await notEnded(hello)).toEqual([young]);
  });

  test("of an environment, or with a narrowed token, ends what that may end, and shows itself to nobody else", async ({
    pinned: hello,
    cluster,
  }) => {
    await start(hello, 1);
    value(await hello.service().createEnvironment({ name: "prod", image: "latest" }, caller));
    value(await hello.connect({ environment: "prod" }));
    await cluster.quiet();
    const narrowed = { ...caller, actor: only("prod") };
    const refused = hello.service().createTermination({ hard: false, environment: "default" }, narrowed);
    expect(code(await refused)).toBe("forbidden");
    expect(code(await hello.service().createTermination({ hard: false, environment: "no" }, caller))).toBe(
      "environment_not_found",
    );
    const all = value(await hello.service().createTermination({ hard: false }, narrowed));
    expect(all).toMatchObject({ total: 1, environments: ["prod"] });
    expect(await hello.service().getTermination(all.id, ["prod"])).toMatchObject({ ok: true });
    expect(code(await hello.service().getTermination(all.id, ["default"]))).toBe("termination_not_found");
    const whole = value(await hello.service().createTermination({ hard: false }, caller));
    expect(value(await hello.service().listTerminations(["prod"])).map(({ id }) => id)).toEqual([all.id]);
    expect(code(await hello.service().getTermination(whole.id, ["prod"]))).toBe("termination_not_found");
  });

  test("of those that were created before some time leaves the younger ones", async ({
    pinned: hello,
    cluster,
  }) => {
    await start(hello, 1);
    await cluster.quiet();
    vi.setSystemTime(Date.now() + 1_000);
    const created_before = new Date(Date.now()).toISOString();
    await start(hello, 1);
    const begun = value(await hello.service().createTermination({ hard: false, created_before }, caller));
    expect(begun).toMatchObject({ total: 1, created_before });
  });
});

describe("the deletion of a service with many backends", () => {
  test("answers at once, ends them few at a time, and shows how far that is", async ({
    pinned: hello,
    cluster,
  }) => {
    const ids = await start(hello, many);
    knowsNothing(cluster);
    value(await hello.accountObject.deleteService("hello", caller));
    expect(terminated(cluster).length).toBeLessThan(many);
    const [deletion] = value(await hello.service().listTerminations());
    expect(deletion).toMatchObject({ cause: "service_deleted", hard: false, total: many });
    await until(hello, async () => expect((await progress(hello, deletion?.id ?? "")).remaining).toBe(0));
    expect(terminated(cluster)).toEqual(ids);
    expect(cluster.mostWaiting()).toBeLessThanOrEqual(webhooksAtOnce);
  });

  test("does not end those of a service that is created with its name meanwhile", async ({
    pinned: hello,
    cluster,
  }) => {
    await start(hello, many);
    knowsNothing(cluster);
    value(await hello.accountObject.deleteService("hello", caller));
    value(await hello.accountObject.createService({ name: "hello" }, caller));
    await hello.push(1, "latest");
    const [young] = await start(hello, 1);
    await until(hello, async () => expect(await notEnded(hello)).toEqual([young]));
  });

  test("that has none is complete at once", async ({ hello }) => {
    value(await hello.service().remove());
    expect(value(await hello.service().listTerminations())).toMatchObject([{ total: 0, status: "complete" }]);
  });
});

test("what v1 requests is answered with how many it means, and with how many of these are being ended", async ({
  pinned: hello,
  cluster,
}) => {
  await start(hello, many);
  knowsNothing(cluster);
  const params = { before: null, hard: true, dryRun: false };
  expect(value(await hello.service().terminateAll({ ...params, dryRun: true }, caller))).toEqual({
    matched: many,
    terminated: 0,
    complete: true,
  });
  expect(value(await hello.service().terminateAll(params, caller))).toEqual({
    matched: many,
    terminated: deliveriesTakenAtOnce,
    complete: false,
  });
  const [begun, ...others] = value(await hello.service().listTerminations());
  expect(others).toEqual([]);
  await until(hello, async () => expect((await progress(hello, begun?.id ?? "")).remaining).toBe(0));
  const ended = { matched: 0, terminated: 0, complete: true };
  expect(value(await hello.service().terminateAll(params, caller))).toEqual(ended);
  expect(value(await hello.service().listTerminations())).toHaveLength(1);
});
