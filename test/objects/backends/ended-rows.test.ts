import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, vi } from "vitest";
import { idAlphabet } from "../../../src/domain/ids.ts";
import { endedBackendsKeptMs, endedReadForPage } from "../../../src/domain/limits.ts";
import { backendsStub } from "../../../src/objects/stubs.ts";
import type { BackendQuery } from "../../../src/protocol/v3/backends.ts";
import { frozenAt } from "../../support/worker/clock.ts";
import { metered } from "../support/cost.ts";
import { test } from "../support/object-test.ts";
import { type Hello, value } from "../support/service.ts";

const ofShard = 600;
/** A row of the index and one of the table, for each that is shown, and as much again for what lies uneven in the shards. */
const fewRows = 300;

/** Gives every shard of a service so many ended backends, of as many instants. @returns meters of the shards */
async function fillShards(hello: Hello, count: number) {
  const [live] = value(await hello.service().liveBackends());
  if (!live) throw new Error("there is no backend to copy");
  const meters: { stub: DurableObjectStub; meter: Awaited<ReturnType<typeof metered>> }[] = [];
  for (const [shard, character] of [...idAlphabet].entries()) {
    const id = `${live.info.id.slice(0, 5)}${character}0000000`;
    const stub = backendsStub(env, { account: hello.account, service: "hello", location: "auto" }, id);
    const history = [
      { status: "scheduled", time: frozenAt },
      { status: "terminated", time: frozenAt, termination_reason: "external" },
    ] as const;
    // Sets the shard up; its row is copied below.
    const info = { ...live.info, id, fencingToken: 1 };
    value(await stub.record({ info, history: [...history], baseUrl: null }));
    await runInDurableObject(stub, (_, { storage }) => {
      storage.sql.exec(
        `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
         INSERT INTO backends (id, info, history, ended_at)
         SELECT substr(id, 1, 6) || printf('%07d', i), json_set(info, '$.id', substr(id, 1, 6) || printf('%07d', i),
                  '$.fencingToken', 1000 + i * 32 + ?2),
                json_set(history, '$[1].time', ended_at + i * 1000 + abs(random()) % 1000), 0
         FROM backends, n WHERE id = ?3`,
        count - 1,
        shard,
        id,
      );
      storage.sql.exec("UPDATE backends SET ended_at = json_extract(history, '$[1].time')");
    });
    meters.push({ stub, meter: await metered(stub) });
  }
  return {
    meters,
    read: () => meters.reduce((sum, { meter }) => sum + meter.cost.read, 0),
    reset: () => {
      for (const { meter } of meters) meter.reset();
    },
  };
}

test("a page of ended backends reads about as many rows as it shows, and another filter a bounded number", async ({
  backend,
}) => {
  const { hello } = backend;
  const shards = await fillShards(hello, ofShard);
  const cases: [what: string, query: Partial<BackendQuery>, atMost: number][] = [
    ["the first page", {}, fewRows],
    ["a page of one", { limit: 1 }, fewRows],
    ["what all match", { environment: "default" }, fewRows],
    ["a page further on", { cursor: `${frozenAt + 300_000}-0` }, fewRows],
    ["what few match", { key: "none" }, 2 * endedReadForPage + fewRows],
  ];
  for (const [what, query, atMost] of cases) {
    shards.reset();
    const page = value(await hello.service().listBackends({ limit: 50, status: "terminated", ...query }));
    if (query.key === undefined) expect(page.items, what).toHaveLength(query.limit ?? 50);
    expect(page.next, what).not.toBeNull();
    expect(shards.read(), what).toBeGreaterThan(0);
    expect(shards.read(), what).toBeLessThanOrEqual(atMost);
  }
});

test("forgetting reads what it deletes, with one alarm, however many others the shard keeps", async ({
  backend,
}) => {
  const { meters } = await fillShards(backend.hello, ofShard);
  const [first] = meters;
  if (!first) throw new Error("there is no shard");
  const due = 20;
  vi.setSystemTime(frozenAt + endedBackendsKeptMs + due * 1000);
  first.meter.reset();
  await runDurableObjectAlarm(first.stub);
  expect(first.meter.cost.read).toBeLessThanOrEqual(4 * due + 10);
  expect(first.meter.cost.rows.setAlarm).toBe(1);
});
