import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, vi } from "vitest";
import { idAlphabet } from "../../../src/domain/ids.ts";
import {
  endedBackendsKeptMs,
  endedBacklogEveryMs,
  endedForgottenAtOnce,
  endedForgottenEveryMs,
  endedReadForPage,
} from "../../../src/domain/limits.ts";
import { backendsStub } from "../../../src/objects/stubs.ts";
import type { BackendQuery } from "../../../src/protocol/v3/backends.ts";
import { alarmOf, frozenAt } from "../../support/worker/clock.ts";
import { metered } from "../support/cost.ts";
import { test } from "../support/object-test.ts";
import { type Hello, value } from "../support/service.ts";

const ofShard = 600;
/** A row of the index and one of the table, for each that is shown, and as much again for what lies uneven in the shards. */
const fewRows = 300;
/** For each that is forgotten: in the index, and in the table. */
const rowsReadToForget = 3;
const day = 24 * 60 * 60_000;

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
    ["a page on the way back", { cursor: `~${frozenAt + 300_000}-0` }, fewRows],
    ["one of what all match", { cursor: `~${frozenAt + 300_000}-0`, environment: "default" }, fewRows],
    ["what few match", { key: "none" }, 2 * endedReadForPage + fewRows],
    ["the same on the way back", { key: "none", cursor: `~${frozenAt}-0` }, 2 * endedReadForPage + fewRows],
  ];
  for (const [what, query, atMost] of cases) {
    shards.reset();
    const page = value(await hello.service().listBackends({ limit: 50, status: "terminated", ...query }));
    if (query.key === undefined) expect(page.items, what).toHaveLength(query.limit ?? 50);
    expect(page.next, what).not.toBeNull();
    expect(page.previous !== null, what).toBe(query.cursor !== undefined);
    expect(shards.read(), what).toBeGreaterThan(0);
    expect(shards.read(), what).toBeLessThanOrEqual(atMost);
  }
});

/** What the alarm of a shard costs that keeps some for longer, and has so many that are past it. */
async function forgetting(hello: Hello, due: number, keptLonger: number) {
  const { meters } = await fillShards(hello, 2);
  const [first] = meters;
  if (!first) throw new Error("there is no shard");
  await runInDurableObject(first.stub, (_, { storage }) => {
    storage.sql
      .exec(
        `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
         INSERT INTO backends (id, info, history, ended_at)
         SELECT substr(id, 1, 6) || 'x' || printf('%06d', i), info, history, iif(i <= ?2, ?3 - i, ?3 + ?4)
         FROM n, (SELECT * FROM backends LIMIT 1)`,
        due + keptLonger,
        due,
        frozenAt - day,
        endedBackendsKeptMs,
      )
      .toArray();
  });
  vi.setSystemTime(frozenAt - day + endedBackendsKeptMs);
  const run = async () => {
    first.meter.reset();
    await runDurableObjectAlarm(first.stub);
    await Promise.resolve();
    const { read, rows } = first.meter.cost;
    const { setAlarm = 0, ...statements } = rows;
    return { read, written: Object.values(statements).reduce((sum, each) => sum + each, 0), setAlarm };
  };
  const left = () =>
    runInDurableObject(
      first.stub,
      (_, { storage }) => storage.sql.exec<{ n: number }>("SELECT count(*) AS n FROM backends").one().n,
    );
  return { run, left, nextAlarm: () => alarmOf(first.stub) };
}

test.for([
  [20, 600],
  [1_000, 600],
  [1_000, 6_000],
])(
  "forgetting %i backends reads and writes so many rows, with one alarm, where %i others are kept",
  async ([due = 0, keptLonger = 0], { backend }) => {
    const { run, left } = await forgetting(backend.hello, due, keptLonger);
    const before = await left();
    const { read, written, setAlarm } = await run();
    expect(before - (await left())).toBe(due);
    expect(read).toBeLessThanOrEqual(rowsReadToForget * due + 10);
    // The row, and that of its index.
    expect(written).toBeLessThanOrEqual(2 * due);
    expect(setAlarm).toBe(1);
  },
);

test("of more than it forgets at a time a shard forgets the next a minute later", async ({ backend }) => {
  const due = 2 * endedForgottenAtOnce + 1;
  const { run, left, nextAlarm } = await forgetting(backend.hello, due, 10);
  const before = await left();
  for (let forgotten = endedForgottenAtOnce; forgotten < due; forgotten += endedForgottenAtOnce) {
    expect((await run()).setAlarm).toBe(1);
    expect(before - (await left())).toBe(forgotten);
    expect(((await nextAlarm()) ?? 0) - Date.now()).toBe(endedBacklogEveryMs);
    vi.setSystemTime(Date.now() + endedBacklogEveryMs);
  }
  await run();
  expect(before - (await left())).toBe(due);
  expect(((await nextAlarm()) ?? 0) - Date.now()).toBeGreaterThanOrEqual(endedForgottenEveryMs);
});
