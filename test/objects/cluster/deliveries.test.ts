import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, vi } from "vitest";
import { clusterStub } from "../../../src/objects/stubs.ts";
import type { DeliveryQuery } from "../../../src/protocol/v3/deliveries.ts";
import { alarmOf, passTime } from "../../support/worker/clock.ts";
import { breakTable, register, registrationOf } from "../support/agent.ts";
import { test as objectTest } from "../support/object-test.ts";
import { caller, code, type Hello, value } from "../support/service.ts";

const day = 24 * 3600 * 1000;

const test = objectTest
  /** The pinned service, after its cluster has received the pin. */
  .extend("announced", async ({ pinned, cluster }) => {
    await cluster.settledOf("image.pinned", 1);
    return pinned;
  });

const log = (hello: Hello) => clusterStub(env, hello.account, "main");

async function page(hello: Hello, query: Partial<DeliveryQuery> = {}) {
  return value(await log(hello).listDeliveries(hello.account, "main", { limit: 50, ...query }));
}

async function listed(hello: Hello, query: Partial<DeliveryQuery> = {}) {
  return (await page(hello, query)).items;
}

/** Lets the service's alarms ring, at which it reports its attempts, until there are so many deliveries. */
async function reported(hello: Hello, count: number) {
  return vi.waitFor(async () => {
    await passTime(hello.service(), 12_000);
    const deliveries = await listed(hello);
    expect(deliveries).toHaveLength(count);
    return deliveries;
  });
}

function batches(hello: Hello): Promise<number[]> {
  return runInDurableObject(log(hello), (_, { storage }) =>
    storage.sql
      .exec<{ attempts: number }>("SELECT attempts FROM delivery_attempts ORDER BY seq")
      .toArray()
      .map(({ attempts }) => attempts),
  );
}

/** Reports attempts to the log as a service would: one delivery each. */
async function reportAttempts(hello: Hello, count: number, { registration = 0, prefix = "x" } = {}) {
  await log(hello).recordAttempts({
    account: hello.account,
    cluster: "main",
    registration: registration || (await registrationOf(hello)),
    service: "hello",
    attempts: Array.from({ length: count }, (_, i) => ({
      id: `${prefix}${i}_spawn`,
      type: "backend.spawn",
      attempt: 1,
      time: Date.now() + i,
      durationMs: 1,
      status: 200,
      error: null,
    })),
  });
}

describe("a cluster's deliveries", () => {
  test("show each attempt of spawns, terminations, announcements and pings", async ({
    announced: hello,
    cluster,
  }) => {
    vi.setSystemTime(Date.now() + 1000);
    cluster.script(() => {
      vi.setSystemTime(Date.now() + 40);
      return new Response("down", { status: 500 });
    });
    const { backendId } = value(await hello.connect());
    await passTime(hello.service(), 1_300);
    await cluster.settled(2);
    value(await hello.service().terminate(backendId, true, caller));
    await cluster.settledOf("backend.terminate", 1);
    vi.setSystemTime(Date.now() + 1000);
    cluster.script(403);
    value(await hello.accountObject.testCluster("main"));

    const [ping, termination, spawn, pinned] = await reported(hello, 4);
    expect(ping).toMatchObject({ type: "cluster.ping", outcome: "refused", attempts: [{ status: 403 }] });
    expect(ping).not.toHaveProperty("service");
    expect(termination).toMatchObject({
      id: `${backendId}_terminate_hard`,
      type: "backend.terminate",
      backend_id: backendId,
      outcome: "delivered",
    });
    expect(spawn).toEqual({
      id: `${backendId}_spawn`,
      type: "backend.spawn",
      service: "hello",
      environment: "default",
      backend_id: backendId,
      outcome: "delivered",
      attempts: [
        {
          time: expect.stringMatching(/^2030-01-01T00:00:01/),
          attempt: 1,
          status: 500,
          duration_ms: 40,
          error: "the cluster answered 500",
        },
        {
          time: expect.stringMatching(/^2030-01-01T00:00:02/),
          attempt: 2,
          status: 200,
          duration_ms: 0,
          error: null,
        },
      ],
    });
    expect(pinned).toMatchObject({ type: "image.pinned", environment: "default", outcome: "delivered" });
    expect(JSON.stringify(pinned)).not.toContain("announced");
  });

  test("cost a spawn nothing: no row is written for them, and no other alarm is set, before its alarm rings", async ({
    announced: hello,
  }) => {
    await reported(hello, 1);
    const rows = await batches(hello);
    for (let i = 0; i < 3; i++) value(await hello.connect());
    expect(await alarmOf(hello.service())).toBe(Date.now() + 11_000);
    expect(await batches(hello)).toEqual(rows);
    await reported(hello, 4);
    expect(await batches(hello)).toEqual([...rows, 3]);
  });

  test("that their log does not take now are reported again, once each", async ({ announced: hello }) => {
    await reported(hello, 1);
    const mend = await breakTable(log(hello), "delivery_attempts");
    value(await hello.connect());
    await passTime(hello.service(), 12_000);
    await vi.waitFor(async () =>
      expect(await alarmOf(hello.service())).toBeLessThanOrEqual(Date.now() + 12_000),
    );
    await mend();
    const [spawn] = await reported(hello, 2);
    expect(spawn?.attempts).toHaveLength(1);
  });

  test("recorded twice are shown once", async ({ hello }) => {
    await reportAttempts(hello, 2);
    await reportAttempts(hello, 2);
    expect((await listed(hello)).map(({ attempts }) => attempts.length)).toEqual([1, 1]);
  });

  test("are listed page by page, newest first, of one service, and by their outcome", async ({
    hello,
    cluster,
  }) => {
    await reportAttempts(hello, 3);
    cluster.script(500);
    vi.setSystemTime(Date.now() + 1000);
    value(await hello.accountObject.testCluster("main"));
    const ids = async (query: Partial<DeliveryQuery>) => (await listed(hello, query)).map(({ id }) => id);
    expect(await ids({ service: "hello" })).toEqual(["x2_spawn", "x1_spawn", "x0_spawn"]);
    expect(await ids({ service: "other" })).toEqual([]);
    expect(await ids({ outcome: "delivered" })).toEqual(["x2_spawn", "x1_spawn", "x0_spawn"]);
    expect(await ids({ outcome: "failed" })).toEqual([expect.stringMatching(/^ping_/)]);
    const first = await page(hello, { limit: 2, service: "hello" });
    const second = await page(hello, { limit: 2, service: "hello", cursor: first.next ?? "" });
    expect(first.items.map(({ id }) => id)).toEqual(["x2_spawn", "x1_spawn"]);
    expect([second.items.map(({ id }) => id), second.next]).toEqual([["x0_spawn"], null]);
    const bad = await log(hello).listDeliveries(hello.account, "main", { limit: 2, cursor: "7" });
    expect(code(bad)).toBe("bad_request");
  });

  test("are kept in rows of at most 500 attempts, and dropped when newer ones are 2,000", async ({
    hello,
  }) => {
    await reportAttempts(hello, 1_200);
    expect(await batches(hello)).toEqual([500, 500, 200]);
    vi.setSystemTime(Date.now() + 10_000);
    await reportAttempts(hello, 2_000, { prefix: "y" });
    expect(await batches(hello)).toEqual([500, 500, 500, 500]);
    vi.setSystemTime(Date.now() + 10_000);
    await reportAttempts(hello, 1, { prefix: "z" });
    const { items, next } = await page(hello, { limit: 200 });
    expect([items[0]?.id, items.length, next === null]).toEqual(["z0_spawn", 200, false]);
  });

  test("are gone after 7 days, also from storage and without another delivery", async ({ hello }) => {
    await reportAttempts(hello, 1);
    vi.setSystemTime(Date.now() + 7 * day - 1);
    expect(await listed(hello)).toHaveLength(1);
    vi.setSystemTime(Date.now() + 1);
    expect(await listed(hello)).toEqual([]);
    expect(await passTime(log(hello), 0)).toBe(true);
    expect(await batches(hello)).toEqual([]);
    expect(await alarmOf(log(hello))).toBeNull();
  });

  test("of a registration are not those of one before under its name, whose late ones are dropped", async ({
    hello,
  }) => {
    const before = await registrationOf(hello);
    await reportAttempts(hello, 2);
    value(await hello.accountObject.deleteCluster("main", caller));
    expect(code(await log(hello).listDeliveries(hello.account, "main", { limit: 5 }))).toBe(
      "cluster_not_found",
    );
    value(await register(hello, "main"));
    expect(await listed(hello)).toEqual([]);
    expect(code(await log(hello).redeliver(hello.account, "main", "x0_spawn"))).toBe("delivery_not_found");
    await reportAttempts(hello, 1, { prefix: "y" });
    await reportAttempts(hello, 1, { registration: before, prefix: "late" });
    expect((await listed(hello)).map(({ id }) => id)).toEqual(["y0_spawn"]);
    expect(await batches(hello)).toEqual([1]);
  });

  test("of a cluster that was never registered are not found, and a request for them stores nothing", async ({
    hello,
  }) => {
    const stub = clusterStub(env, hello.account, "mian");
    expect(code(await stub.listDeliveries(hello.account, "mian", { limit: 5 }))).toBe("cluster_not_found");
    expect(code(await stub.redeliver(hello.account, "mian", "x"))).toBe("cluster_not_found");
    const tables = await runInDurableObject(stub, (_, { storage }) =>
      storage.sql.exec("SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'").toArray(),
    );
    expect(tables).toEqual([]);
  });
});
