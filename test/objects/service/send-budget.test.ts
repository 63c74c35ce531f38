import { runInDurableObject } from "cloudflare:test";
import { describe, expect, vi } from "vitest";
import { deliveriesTakenAtOnce, nextDeliveriesAfterMs, webhooksAtOnce } from "../../../src/domain/limits.ts";
import { evict } from "../../support/worker/clock.ts";
import type { ScriptedCluster } from "../../support/worker/scripted-cluster.ts";
import { register } from "../support/agent.ts";
import { metered } from "../support/cost.ts";
import { test } from "../support/object-test.ts";
import { pendingWebhooks } from "../support/pending-webhooks.ts";
import { caller, type Hello, value } from "../support/service.ts";

/** Has a cluster hang on all that is sent to it. */
function hang(cluster: ScriptedCluster, name: string) {
  const { promise, resolve } = Promise.withResolvers<void>();
  const ofThat = new Set<string>();
  cluster.always(({ type, data }) => {
    if (type === "backend.spawn" && data.cluster === name) ofThat.add(data.backend_id);
    const isThere = type === "backend.spawn" || type === "backend.terminate";
    const answer = Response.json({});
    return isThere && ofThat.has(data.backend_id) ? promise.then(() => answer) : answer;
  });
  return { sent: ofThat, release: resolve };
}

describe("a cluster that hangs", () => {
  test("holds up no spawn to another cluster of its service, however many wait for it", async ({
    pinned: hello,
    cluster,
  }) => {
    value(await register(hello, "other"));
    await cluster.quiet();
    const { sent, release } = hang(cluster, "main");
    const waiting = Array.from({ length: 20 }, () => hello.connect());
    await vi.waitFor(() => expect(sent.size).toBeGreaterThan(0));
    for (let i = 0; i < 20; i++) value(await hello.connect({ spawn: { cluster: "other" } }));
    expect(sent.size).toBeLessThan(webhooksAtOnce);
    release();
    for (const connected of await Promise.all(waiting)) value(connected);
    expect(cluster.mostWaiting()).toBeLessThanOrEqual(webhooksAtOnce);
  });

  test("has each spawn that waits for its turn sent once, and in no second process' place", async ({
    pinned: hello,
    cluster,
  }) => {
    await cluster.quiet();
    const { release } = hang(cluster, "main");
    const waiting = Array.from({ length: 12 }, () => hello.connect());
    await vi.waitFor(async () =>
      expect(Object.keys(await pendingWebhooks(hello.service()))).toHaveLength(12),
    );
    release();
    const ids = (await Promise.all(waiting)).map((connected) => value(connected).backendId);
    expect(
      cluster
        .of("backend.spawn")
        .map(({ headers }) => headers["webhook-id"])
        .sort(),
    ).toEqual(ids.map((id) => `${id}_spawn`).sort());
  });

  test("is not sent the spawn of a backend that was ended while it waited, and ends it all the same", async ({
    pinned: hello,
    cluster,
  }) => {
    await cluster.quiet();
    const { sent, release } = hang(cluster, "main");
    const waiting = Array.from({ length: webhooksAtOnce + 1 }, () => hello.connect());
    await vi.waitFor(() => expect(sent.size).toBe(webhooksAtOnce));
    const live = value(await hello.service().liveBackends()).map(({ info }) => info.id);
    const [unsent = ""] = live.filter((id) => !sent.has(id));
    value(await hello.service().terminate(unsent, true, caller));
    release();
    await Promise.all(waiting);
    await cluster.settledOf("backend.terminate", 1);
    expect(sent.has(unsent)).toBe(false);
    expect(cluster.of("backend.terminate").map(({ message }) => message.data)).toMatchObject([
      { backend_id: unsent, hard: true },
    ]);
  });
});

describe("pings", () => {
  test("of clusters that hang are sent as few at a time as everything else", async ({ hello, cluster }) => {
    const names = Array.from({ length: 8 }, (_, i) => `c${i}`);
    for (const name of names) value(await register(hello, name));
    const { promise, resolve } = Promise.withResolvers<void>();
    cluster.always(() => promise.then(() => Response.json({})));
    const pings = names.map((name) => hello.accountObject.testCluster(name));
    await vi.waitFor(() => expect(cluster.of("cluster.ping")).toHaveLength(webhooksAtOnce));
    resolve();
    for (const ping of await Promise.all(pings)) expect(value(ping).delivered).toBe(true);
    expect(cluster.mostWaiting()).toBe(webhooksAtOnce);
  });
});

const environments = 999;
const patient = { timeout: 20_000, interval: 10 };

/** Makes environments that follow `latest`, as creating them one by one would. */
async function followLatest(hello: Hello): Promise<void> {
  await runInDurableObject(hello.service(), (_, { storage }) => {
    storage.sql
      .exec(
        `WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
         INSERT INTO environments (seq, name, cluster, settings, image, revision, created_at)
         SELECT n.i, 'e' || n.i, NULL, settings, image, 1, created_at FROM n, environments WHERE seq = 1`,
        environments,
      )
      .toArray();
  });
  // The object keeps in memory what it has read.
  await evict(hello.service());
}

describe("a tag that 999 environments follow", () => {
  test("is announced to each once when it moves, few at a time, by an alarm for each hundred", async ({
    pinned: hello,
    cluster,
  }) => {
    await cluster.quiet();
    await followLatest(hello);
    const meter = await metered(hello.service());
    await hello.push(2, "latest");
    await vi.waitFor(async () => {
      await meter.letPass(nextDeliveriesAfterMs, () => cluster.quiet());
      expect(cluster.of("image.pinned")).toHaveLength(1 + environments);
    }, patient);
    const announced = cluster.of("image.pinned").slice(1);
    const names = announced.map(({ message }) => message.type === "image.pinned" && message.data.environment);
    expect(new Set(names).size).toBe(environments);
    expect(cluster.mostWaiting()).toBeLessThanOrEqual(webhooksAtOnce);
    // Beside these the one that would have taken up again what was lost, each 11 s.
    expect(meter.cost.alarms.length).toBeLessThanOrEqual(Math.ceil(environments / deliveriesTakenAtOnce) + 2);
    await vi.waitFor(async () => expect(await pendingWebhooks(hello.service())).toEqual({}));
  });

  test("is announced to one cluster as usual while another does not answer", async ({
    pinned: hello,
    cluster,
  }) => {
    value(await register(hello, "other"));
    await cluster.quiet();
    await followLatest(hello);
    await runInDurableObject(hello.service(), (_, { storage }) => {
      storage.sql.exec("UPDATE environments SET cluster = 'other' WHERE seq > 500").toArray();
    });
    await evict(hello.service());
    const never = Promise.withResolvers<void>();
    let hung = 0;
    cluster.always(({ type, data }) => {
      const isMain = type === "image.pinned" && !(Number(data.environment.slice(1)) > 500);
      if (!isMain) return Response.json({});
      hung += 1;
      return never.promise.then(() => Response.json({}));
    });
    const meter = await metered(hello.service());
    await hello.push(2, "latest");
    const reached = () => cluster.of("image.pinned").length - 1 - hung;
    await vi.waitFor(async () => {
      await meter.letPass(nextDeliveriesAfterMs, async () => {});
      expect(reached()).toBe(499);
    }, patient);
    expect(hung).toBeLessThan(webhooksAtOnce);
    never.resolve();
    await vi.waitFor(async () => {
      await meter.letPass(nextDeliveriesAfterMs, () => cluster.quiet());
      expect(cluster.of("image.pinned")).toHaveLength(1 + environments);
    }, patient);
  });
});
