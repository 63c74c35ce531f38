import { runInDurableObject } from "cloudflare:test";
import { describe, expect, vi } from "vitest";
import { expiredForgottenEveryMs, recoveryDelayMs, usageBlockMs } from "../../../src/domain/limits.ts";
import { blockOf } from "../../../src/domain/usage/usage-blocks.ts";
import type { Service } from "../../../src/objects/service/service.ts";
import { usageBlocksMigration, usageMigration } from "../../../src/objects/service/sql/usage.sql.ts";
import { alarmOf, evict, passTime, passTimeRunning, wakesIn } from "../../support/worker/clock.ts";
import { startBackend } from "../support/backend.ts";
import { metered } from "../support/cost.ts";
import { test } from "../support/object-test.ts";
import { caller, connectParams, type Hello, value } from "../support/service.ts";
import { day, minute, totals } from "../support/usage.ts";

/** The minutes that are stored, whichever rows they are in. */
async function rows(hello: Hello): Promise<{ minute: number; environment: number; counts: string }[]> {
  const blocks = await runInDurableObject(hello.service(), (_, { storage }) =>
    storage.sql
      .exec<{ block: number; environment: number; minutes: string }>("SELECT * FROM usage ORDER BY block")
      .toArray(),
  );
  return blocks.flatMap(({ block, environment, minutes }) =>
    minutes.split(";").map((part) => {
      const [index = "", counts = ""] = part.split("=");
      return { minute: block + Number(index) * minute, environment, counts };
    }),
  );
}

/** Makes rows of nine spawns in the first minutes of so many environments. */
async function insertRows(hello: Hello, first: number, count: number): Promise<void> {
  await runInDurableObject(hello.service(), (_, { storage }) => {
    storage.sql
      .exec(
        `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
         INSERT INTO usage (block, environment, minutes) SELECT ?, i, '0=1 9 0 0 0 0' FROM n`,
        count,
        blockOf(first),
      )
      .toArray();
  });
}

/** Adds minutes of nine spawns, as they were before there were sums of hours. */
async function insertMinutes(hello: Hello, first: number, count: number): Promise<void> {
  await runInDurableObject(hello.service(), (_, { storage }) => {
    for (let at = first; at < first + count * minute; at += minute) {
      storage.sql.exec(
        `INSERT INTO usage (block, environment, minutes) VALUES (?, 1, ?)
         ON CONFLICT DO UPDATE SET minutes = excluded.minutes || ';' || minutes, hours = NULL`,
        blockOf(at),
        `${(at - blockOf(at)) / minute}=1 9 0 0 0 0`,
      );
    }
  });
}

/** What `action` on the service writes, one entry for each statement; reads are left out. */
function writesOf(hello: Hello, action: (service: Service) => Promise<unknown>) {
  return runInDurableObject<Service, string[]>(hello.service(), async (service, { storage }) => {
    const { sql } = storage;
    const exec = sql.exec.bind(sql);
    const writes: string[] = [];
    const spied = vi.spyOn(sql, "exec").mockImplementation((query, ...values) => {
      if (!query.trim().startsWith("SELECT")) writes.push(query.trim().split(/\s+/).slice(0, 3).join(" "));
      return exec(query, ...values);
    });
    const alarms = vi.spyOn(storage, "setAlarm");
    await action(service);
    for (const _ of alarms.mock.calls) writes.push("setAlarm");
    spied.mockRestore();
    alarms.mockRestore();
    return writes;
  });
}

describe("counts are written", () => {
  test("by the alarm that follows a spawn, one row for an environment's minute, and outlive the process", async ({
    pinned: hello,
  }) => {
    value(await hello.connect({ key: "doc" }));
    value(await hello.connect({ key: "doc" }));
    expect(await rows(hello)).toEqual([]);
    await passTime(hello.service(), recoveryDelayMs);
    expect(await rows(hello)).toMatchObject([{ counts: "1 1 1 0 0 0" }]);
    await evict(hello.service());
    expect(await totals(hello)).toEqual({ spawned: 1, reused: 1 });
  });

  test("once, and what comes later in the minute is added to them", async ({ pinned: hello }) => {
    value(await hello.connect());
    await passTime(hello.service(), recoveryDelayMs);
    await passTime(hello.service(), recoveryDelayMs);
    expect(await rows(hello)).toMatchObject([{ counts: "1 1 0 0 0 0" }]);
    await evict(hello.service());
    value(await hello.connect());
    expect(await totals(hello)).toEqual({ spawned: 2 });
    await passTime(hello.service(), recoveryDelayMs);
    expect(await rows(hello)).toMatchObject([{ counts: "1 2 0 0 0 0" }]);
  });

  test("in place of a row that cannot be read", async ({ pinned: hello }) => {
    value(await hello.connect());
    await passTime(hello.service(), recoveryDelayMs);
    await runInDurableObject(hello.service(), (_, { storage }) => {
      storage.sql.exec("UPDATE usage SET hours = 'broken', minutes = 'broken'");
    });
    expect(await totals(hello)).toEqual({});
    value(await hello.connect());
    await passTime(hello.service(), recoveryDelayMs);
    expect(await rows(hello)).toMatchObject([{ counts: "1 1 0 0 0 0" }]);
  });

  test("in the minute they were counted in, however late", async ({ pinned: hello }) => {
    const at = Date.now();
    vi.setSystemTime(at + minute - 1);
    value(await hello.connect());
    await passTime(hello.service(), recoveryDelayMs);
    expect(await rows(hello)).toMatchObject([{ minute: at }]);
  });
});

describe("counting costs", () => {
  test("a spawn no row and no alarm but its own", async ({ pinned: hello }) => {
    // The first spawn reserves fencing tokens.
    value(await hello.connect());
    await passTime(hello.service(), recoveryDelayMs);
    expect(await writesOf(hello, (service) => service.connectBackend(connectParams(), caller))).toEqual([
      "INSERT INTO backends",
      "setAlarm",
    ]);
    expect(await writesOf(hello, (service) => service.connectBackend(connectParams(), caller))).toEqual([
      "INSERT INTO backends",
    ]);
  });

  test("no row for a spawn that the cluster refuses either", async ({ pinned: hello, cluster }) => {
    value(await hello.connect());
    cluster.script(409);
    const writes = await writesOf(hello, (service) => service.connectBackend(connectParams(), caller));
    expect(writes.filter((write) => write.includes("usage"))).toEqual([]);
  });

  test("reused connects one alarm within 60 s and one row, however many they are", async ({
    pinned: hello,
  }) => {
    const { report, backendId } = await startBackend(hello, "doc");
    await report({ status: "ready" });
    await passTime(hello.service(), recoveryDelayMs);
    // For when its first counts are no longer kept.
    expect(await wakesIn(hello.service())).toBeGreaterThan(29 * day);
    const reuse = () =>
      writesOf(hello, async (service) => {
        expect(value(await service.connectBackend(connectParams({ key: "doc" }), caller)).backendId).toBe(
          backendId,
        );
      });
    const since = Date.now();
    expect(await reuse()).toEqual(["setAlarm"]);
    expect(await alarmOf(hello.service())).toBe(since + minute);
    for (let i = 0; i < 5; i++) {
      vi.setSystemTime(Date.now() + 5_000);
      expect(await reuse()).toEqual([]);
    }
    vi.setSystemTime(since + minute);
    const atAlarm = await writesOf(hello, (service) => service.alarm());
    expect(atAlarm.filter((write) => write === "INSERT INTO usage")).toHaveLength(1);
    expect(await totals(hello)).toEqual({ spawned: 1, ready: 1, reused: 6 });
  });

  test("an alarm within 60 s where a backend is ready long after its spawn", async ({ pinned: hello }) => {
    const { report } = await startBackend(hello);
    await passTime(hello.service(), recoveryDelayMs);
    vi.setSystemTime(Date.now() + 100_000);
    await report({ status: "ready" });
    expect(await alarmOf(hello.service())).toBeLessThanOrEqual(Date.now() + minute);
  });
});

describe("what was counted is kept", () => {
  test("for 30 days, and deleted after them though nothing happens any more", async ({ pinned: hello }) => {
    value(await hello.connect());
    await passTimeRunning(hello.service(), 400_000);
    const [kept] = await rows(hello);
    const first = kept?.minute ?? 0;
    await insertMinutes(hello, first - minute, 1);
    await passTimeRunning(hello.service(), first + 30 * day - minute - Date.now());
    expect((await rows(hello)).map((row) => row.minute)).toContain(first - minute);
    const old = { from: first - minute, to: first, stepMs: minute };
    vi.setSystemTime(Date.now() + 1);
    expect(value(await hello.service().usage(old))[0]?.totals.spawned).toBe(0);
    await passTimeRunning(hello.service(), expiredForgottenEveryMs + usageBlockMs);
    expect(await rows(hello)).toEqual([]);
  });

  test("and read up to the minute that began exactly 30 days ago, and no further", async ({
    pinned: hello,
  }) => {
    const now = Math.ceil(Date.now() / minute) * minute + 90 * minute;
    await insertMinutes(hello, now - 30 * day - minute, 2);
    vi.setSystemTime(now - recoveryDelayMs);
    value(await hello.connect());
    await passTime(hello.service(), recoveryDelayMs);
    expect(Date.now()).toBe(now);
    // Those of one block go together; what is older is not shown.
    const stored = (await rows(hello)).map((row) => row.minute).sort();
    expect(stored).toEqual([now - 30 * day - minute, now - 30 * day, now - minute]);
    const month = { from: now - 30 * day, to: now, stepMs: day };
    expect(value(await hello.service().usage(month))[0]?.totals.spawned).toBe(9 + 1);
  });

  test("and not deleted more than 1,000 rows at a time", async ({ pinned: hello }) => {
    await insertRows(hello, Date.now() - 60 * day, 1_500);
    value(await hello.connect());
    await passTime(hello.service(), recoveryDelayMs);
    expect(await rows(hello)).toHaveLength(501);
    await passTime(hello.service(), 1_000);
    expect(await rows(hello)).toHaveLength(1);
  });

  test("apart from what is counted for an environment that is made again with the name", async ({
    pinned: hello,
  }) => {
    const make = async () =>
      value(await hello.service().createEnvironment({ name: "prod", image: "latest" }, caller));
    await make();
    const { backendId } = value(await hello.connect({ environment: "prod" }));
    await passTime(hello.service(), recoveryDelayMs);
    const [live] = value(await hello.service().liveBackends());
    value(await hello.report(backendId, live?.info.fencingToken ?? 0, "terminated"));
    expect(await totals(hello, "prod")).toEqual({ spawned: 1, failed: 1 });

    value(await hello.service().deleteEnvironment("prod", caller));
    await make();
    expect(await totals(hello, "prod")).toEqual({});
    await passTime(hello.service(), minute);
    expect(await totals(hello, "prod")).toEqual({});
  });

  test("no longer than the service: one that is made again with its name begins with nothing", async ({
    pinned: hello,
  }) => {
    value(await hello.connect());
    await passTime(hello.service(), recoveryDelayMs);
    value(await hello.connect());
    value(await hello.accountObject.deleteService("hello", caller));
    value(await hello.accountObject.createService({ name: "hello" }, caller));
    expect(await totals(hello)).toEqual({});
    await passTime(hello.service(), minute);
    expect(await totals(hello)).toEqual({});
  });
});

describe("of thirty days of 40 environments", () => {
  const environments = 40;
  const month = 30 * day;

  test.for([
    ["the month by two hours, of one", { ms: month, stepMs: 120 * minute, of: 1 }, 300],
    ["the month by the day, of all", { ms: month, stepMs: day, of: environments }, 200 * environments],
    ["an hour by the minute, of one", { ms: 60 * minute, stepMs: minute, of: 1 }, 20],
    [
      "an hour by the minute, of all",
      { ms: 60 * minute, stepMs: minute, of: environments },
      4 * environments,
    ],
  ] as const)("%s: reads what is asked for", async ([, { ms, stepMs, of }, atMost], { pinned: hello }) => {
    const now = Math.floor(Date.now() / day) * day + 2 * day;
    vi.setSystemTime(now);
    const hour = Array.from({ length: 60 }, (_, i) => `${i}=1 1 0 0 0 0`);
    await runInDurableObject(hello.service(), (_, { storage }) => {
      storage.sql.exec(
        `WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
         INSERT INTO environments (seq, name, settings, image, revision, created_at)
         SELECT n.i, 'e' || n.i, settings, image, revision, created_at FROM environments, n`,
        environments,
      );
      storage.sql.exec(
        `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
         INSERT INTO usage (block, environment, hours, minutes)
         SELECT ?1 - n.i * ?3, seq, '7=1 60 0 0 0 0', ?4 FROM n, environments`,
        now,
        month / usageBlockMs,
        usageBlockMs,
        hour.map((part) => part.replace(/^\d+/, (index) => `${Number(index) + 420}`)).join(";"),
      );
    });
    await evict(hello.service());
    value(await hello.service().overview());
    const meter = await metered(hello.service());
    const names = ["default", ...Array.from({ length: environments - 1 }, (_, i) => `e${i + 2}`)];
    const range = { from: now - ms, to: now, stepMs, environments: names.slice(0, of) };
    const usage = value(await hello.service().usage(range));
    expect(usage).toHaveLength(of);
    const hours = ms === month ? month / usageBlockMs : 1;
    expect(usage.map(({ totals }) => totals.spawned)).toEqual(Array.from({ length: of }, () => hours * 60));
    expect(meter.cost.read).toBeLessThanOrEqual(atMost);
  });
});

test("minutes that were counted before there were blocks are shown, and added to", async ({
  pinned: hello,
}) => {
  const at = Date.now();
  await runInDurableObject(hello.service(), (_, { storage }) => {
    storage.sql.exec("DROP TABLE usage");
    storage.sql.exec(usageMigration.sql);
    storage.sql.exec(
      "INSERT INTO usage (minute, environment, counts) VALUES (?1 - 60000, 1, '1 2 0 0 0 0'), (?1, 1, '1 3 0 0 0 0')",
      Math.floor(at / minute) * minute,
    );
    storage.sql.exec(usageBlocksMigration.sql);
  });
  expect(await totals(hello)).toEqual({ spawned: 5 });
  value(await hello.connect());
  await passTime(hello.service(), recoveryDelayMs);
  await evict(hello.service());
  expect(await totals(hello)).toEqual({ spawned: 6 });
  const byDay = { from: at - 2 * day, to: at + day, stepMs: day };
  expect(value(await hello.service().usage(byDay))[0]?.totals.spawned).toBe(6);
});
