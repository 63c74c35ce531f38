import { listDurableObjectIds, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, vi } from "vitest";
import type { StatusEntry } from "../../../src/domain/backends/status.ts";
import { idAlphabet } from "../../../src/domain/ids.ts";
import { endedBackendsKeptMs, endedReadForPage } from "../../../src/domain/limits.ts";
import type { BackendInfo } from "../../../src/objects/contract.ts";
import type { Backend } from "../../../src/protocol/v3/backends.ts";
import type { Page } from "../../../src/protocol/v3/list.ts";
import { alarmOf, frozenAt, passTime } from "../../support/worker/clock.ts";
import { startBackend, statuses } from "../support/backend.ts";
import { test } from "../support/object-test.ts";
import { caller, code, type Hello, value } from "../support/service.ts";
import { storedIn } from "../support/stored.ts";

describe("backends that have ended", () => {
  test("are readable for 30 days and then forgotten", async ({ backend }) => {
    value(await backend.report({ status: "terminated" }));
    expect(await passTime(backend.shard(), endedBackendsKeptMs - 1_000)).toBe(true);
    expect(statuses((await backend.describe()).history)).toEqual(["scheduled", "terminated"]);
    expect(await passTime(backend.shard(), 1_000)).toBe(true);
    expect(code(await backend.shard().describe(backend.hello.account, "hello", backend.backendId))).toBe(
      "backend_not_found",
    );
  });

  test("do not take those with them that ended later or still live", async ({ backend }) => {
    const { hello } = backend;
    let later = await startBackend(hello);
    while (later.backendId.charAt(5) !== backend.backendId.charAt(5)) later = await startBackend(hello);
    value(await backend.report({ status: "terminated" }));
    vi.setSystemTime(frozenAt + endedBackendsKeptMs / 2);
    value(await later.report({ status: "terminated" }));
    await passTime(backend.shard(), endedBackendsKeptMs / 2 + 2_000);
    expect(code(await backend.shard().describe(hello.account, "hello", backend.backendId))).toBe(
      "backend_not_found",
    );
    expect(statuses((await later.describe()).history)).toEqual(["scheduled", "terminated"]);
  });

  test("are listed across all shards page by page, newest first, and live ones are not", async ({
    backend,
  }) => {
    const { hello } = backend;
    const all = [backend.backendId];
    for (let i = 0; i < 6; i++) all.push((await startBackend(hello)).backendId);
    const live = value(await hello.service().liveBackends()).reverse();
    const [survivor, ...others] = live;
    for (const { info } of others) value(await hello.report(info.id, info.fencingToken, "terminated"));
    expect((await listDurableObjectIds(env.BACKENDS)).length).toBeGreaterThan(1);

    const listed: string[] = [];
    const pages: number[] = [];
    let cursor: string | undefined;
    do {
      const query = { limit: 4, status: "terminated", ...(cursor === undefined ? {} : { cursor }) } as const;
      const page = value(await hello.service().listBackends(query));
      listed.push(...page.items.map(({ id }) => id));
      pages.push(page.items.length);
      cursor = page.next ?? undefined;
    } while (cursor !== undefined);
    expect(pages).toEqual([4, 2]);
    expect(listed).toEqual(all.slice(1).reverse());
    const stillLive = value(await hello.service().listBackends({ limit: 50 })).items;
    expect(stillLive.map(({ id }) => id)).toEqual([survivor?.info.id]);
  });

  test("are listed in full to a token of one environment, however many there are of others", async ({
    backend,
  }) => {
    const { hello } = backend;
    value(await backend.report({ status: "terminated" }));
    const body = { name: "staging", image: "latest" };
    value(await hello.service().createEnvironment(body, caller));
    // More than a page of others, and newer, in the same shard as the first.
    for (let others = 0; others < 2; ) {
      const { backendId } = value(await hello.connect({ environment: "staging" }));
      const live = value(await hello.service().liveBackends()).reverse();
      const token = live.find(({ info }) => info.id === backendId)?.info.fencingToken ?? 0;
      value(await hello.report(backendId, token, "terminated"));
      if (backendId.charAt(5) === backend.backendId.charAt(5)) others += 1;
    }
    const query = { limit: 1, status: "terminated" } as const;
    const { items } = value(await hello.service().listBackends(query, ["default"]));
    expect(items.map(({ id }) => id)).toEqual([backend.backendId]);
  });

  test("are found by their key and environment", async ({ backend }) => {
    const { hello } = backend;
    const keyed = await startBackend(hello, "doc");
    value(await keyed.report({ status: "terminated" }));
    value(await backend.report({ status: "terminated" }));
    const query = { limit: 50, status: "terminated" } as const;
    const found = async (filter: object) =>
      value(await hello.service().listBackends({ ...query, ...filter })).items.map(({ id }) => id);
    expect(await found({ key: "doc" })).toEqual([keyed.backendId]);
    expect(await found({ environment: "default" })).toEqual([backend.backendId, keyed.backendId]);
    expect(await found({ environment: "prod" })).toEqual([]);
  });
});

/** Puts so many ended backends into the shards of a service, as their own writes would have. */
async function putEnded(hello: Hello, ended: readonly { endedAt: number; environment: string }[]) {
  const [live] = value(await hello.service().liveBackends());
  if (!live) throw new Error("there is no backend to copy");
  const code = live.info.id.slice(0, 5);
  const rows = ended.map(({ endedAt, environment }, i) => {
    const id = `${code}${idAlphabet.charAt(i % idAlphabet.length)}${String(i).padStart(7, "0")}`;
    const info: BackendInfo = { ...live.info, id, environment, fencingToken: 1_000_000 + i };
    const history = [
      { status: "scheduled", time: endedAt - 1 },
      { status: "terminated", time: endedAt, termination_reason: "external" },
    ];
    return { info, endedAt, history };
  });
  for (const shard of new Set(rows.map(({ info }) => info.id.charAt(5)))) {
    const of = rows.filter(({ info }) => info.id.charAt(5) === shard);
    const [first] = of;
    if (!first) continue;
    const { info, history } = first;
    const entries: StatusEntry[] = [{ status: "scheduled", time: history[0]?.time ?? 0 }];
    const stub = hello.shard(info.id);
    // Sets the shard up; its row is written over below.
    value(await stub.record({ info, history: [...entries, end(first.endedAt)], baseUrl: null }));
    await runInDurableObject(stub, (_, { storage }) => {
      for (const row of of) {
        storage.sql.exec(
          "INSERT OR REPLACE INTO backends (id, info, history, ended_at) VALUES (?, ?, ?, ?)",
          row.info.id,
          JSON.stringify(row.info),
          JSON.stringify(row.history),
          row.endedAt,
        );
      }
    });
  }
  return rows.map(({ info, endedAt }) => ({ id: info.id, environment: info.environment, endedAt, info }));
}

function end(time: number): StatusEntry {
  return { status: "terminated", time, termination_reason: "external" };
}

/** All pages of a list of ended backends; and each as it is shown on the way back from the last, in the same order. */
async function pagesOf(hello: Hello, query: { limit: number; environment?: string }) {
  const read = async (cursor: string | null): Promise<Page<Backend>> => {
    const at: { cursor?: string } = cursor === null ? {} : { cursor };
    return value(await hello.service().listBackends({ ...query, ...at, status: "terminated" }));
  };
  const first = await read(null);
  expect(first.previous).toBeNull();
  const pages = [first];
  for (let cursor = first.next; cursor !== null; cursor = pages.at(-1)?.next ?? null) {
    pages.push(await read(cursor));
  }
  const last = pages.at(-1) ?? first;
  const returned = [last];
  for (let cursor = last.previous; cursor !== null; cursor = returned[0]?.previous ?? null) {
    returned.unshift(await read(cursor));
  }
  return { pages, returned };
}

function idsIn(pages: readonly Page<Backend>[]): string[] {
  return pages.flatMap(({ items }) => items.map(({ id }) => id));
}

test("the pages of ended backends have each once, the last end first, forward and back, whatever they are filtered by", async ({
  backend,
}) => {
  const { hello } = backend;
  const made = await putEnded(
    hello,
    Array.from({ length: 300 }, (_, i) => ({
      // Several in an instant, and not in the order in which they were spawned.
      endedAt: frozenAt + ((i * 7919) % 40),
      environment: i % 9 === 0 ? "rare" : "usual",
    })),
  );
  const sorted = made.toSorted((a, b) => b.endedAt - a.endedAt || b.info.fencingToken - a.info.fencingToken);
  for (const [limit, environment] of [
    [200, undefined],
    [7, undefined],
    [5, "rare"],
    [50, "usual"],
  ] as const) {
    const { pages, returned } = await pagesOf(hello, {
      limit,
      ...(environment === undefined ? {} : { environment }),
    });
    const wanted = sorted.filter((one) => environment === undefined || one.environment === environment);
    expect(idsIn(pages)).toEqual(wanted.map(({ id }) => id));
    expect(pages.every(({ items }) => items.length <= limit)).toBe(true);
    expect(returned).toEqual(pages);
  }
});

test("a page looks at a bounded number of ended backends, and goes on from there, either way", async ({
  backend,
}) => {
  const { hello } = backend;
  const many = 2 * endedReadForPage * idAlphabet.length;
  // In one shard, as far as the bound is concerned.
  const made = await putEnded(
    hello,
    Array.from({ length: many / 8 }, (_, i) => ({ endedAt: frozenAt + i, environment: "usual" })),
  );
  const shard = made.filter(({ id }) => id.charAt(5) === idAlphabet.charAt(0));
  const rare = shard[0];
  if (!rare) throw new Error("there is no first");
  const stub = hello.shard(rare.id);
  await runInDurableObject(stub, (_, { storage }) => {
    storage.sql.exec(
      "UPDATE backends SET info = json_set(info, '$.environment', 'rare') WHERE id = ?",
      rare.id,
    );
    // So many that end later than the one that is looked for.
    storage.sql.exec(
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
       INSERT INTO backends (id, info, history, ended_at)
       SELECT 'filler' || n.i, json_set(info, '$.fencingToken', 2000000 + n.i), history, ?2 + n.i FROM n, backends WHERE id = ?3`,
      2 * endedReadForPage,
      frozenAt + many,
      shard[1]?.id ?? "",
    );
    storage.sql.exec(
      "UPDATE backends SET history = json_set(history, '$[1].time', ended_at) WHERE id LIKE 'filler%'",
    );
  });
  const { pages, returned } = await pagesOf(hello, { limit: 10, environment: "rare" });
  expect(idsIn(pages)).toEqual([rare.id]);
  expect(pages.length).toBeGreaterThan(2);
  expect(idsIn(returned)).toEqual([rare.id]);
  expect(returned.length).toBeGreaterThan(2);
});

test("a cursor that no list of ended backends gave is refused", async ({ backend }) => {
  for (const cursor of ["12", "a-b", "1-2-3", "-", "~", "~12", "~~1-2", `${"9".repeat(16)}-1`]) {
    const listed = await backend.hello.service().listBackends({ limit: 5, status: "terminated", cursor });
    expect(code(listed)).toBe("bad_request");
  }
});

test("a shard wakes to forget ended backends at most once an hour, and forgets all that are due", async ({
  backend,
}) => {
  const { hello } = backend;
  const made = await putEnded(
    hello,
    // One a minute, for five hours, in each shard.
    Array.from({ length: 300 * idAlphabet.length }, (_, i) => ({
      endedAt: frozenAt + Math.floor(i / idAlphabet.length) * 60_000,
      environment: "usual",
    })),
  );
  const stub = hello.shard(made[0]?.id ?? "");
  const left = () =>
    runInDurableObject(
      stub,
      (_, { storage }) =>
        storage.sql.exec<{ n: number }>("SELECT count(*) AS n FROM backends WHERE ended_at IS NOT NULL").one()
          .n,
    );
  expect(await left()).toBe(300);
  let alarms = 0;
  for (let at = await alarmOf(stub); at !== null; at = await alarmOf(stub)) {
    vi.setSystemTime(Math.max(Date.now(), at));
    await runDurableObjectAlarm(stub);
    alarms += 1;
  }
  expect(alarms).toBeLessThanOrEqual(7);
  expect(Date.now()).toBeLessThanOrEqual(frozenAt + endedBackendsKeptMs + 6 * 3_600_000);
  // With nothing left in it, it has given its storage back.
  expect(await storedIn(stub)).toEqual([]);
});
