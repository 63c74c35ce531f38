import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, vi } from "vitest";
import { idAlphabet, serviceCodeLength } from "../../../src/domain/ids.ts";
import {
  deletedServicesForgottenAtOnce,
  deletedServicesKeptMs,
  deletedServicesMax,
  deletedServicesSeenEveryMs,
  endedBackendsKeptMs,
  expiredForgottenEveryMs,
} from "../../../src/domain/limits.ts";
import { Directory } from "../../../src/objects/directory/directory.ts";
import { directoryStub, serviceStub } from "../../../src/objects/stubs.ts";
import { passTimeRunning } from "../../support/worker/clock.ts";
import { startBackend } from "../support/backend.ts";
import { test } from "../support/object-test.ts";
import { caller, code, type Hello, value } from "../support/service.ts";
import { storedIn } from "../support/stored.ts";

/** How long it takes at most until a service is forgotten of which nothing lives. */
const forgottenWithinMs = deletedServicesSeenEveryMs + deletedServicesKeptMs + 2 * expiredForgottenEveryMs;

const serviceRows = ["services", "holdings"];

function countsOf(hello: Hello, tables = serviceRows): Promise<number[]> {
  return runInDurableObject(hello.accountObject, (_, { storage: { sql } }) =>
    tables.map((table) => Number(sql.exec(`SELECT count(*) AS n FROM ${table}`).one().n)),
  );
}

async function codesOf(hello: Hello): Promise<number> {
  const counts = await Promise.all(
    Array.from(idAlphabet, (letter) =>
      runInDurableObject(directoryStub(env, letter), (_, { storage: { sql } }) => {
        const has = sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'codes'").toArray().length > 0;
        return has
          ? Number(sql.exec("SELECT count(*) AS n FROM codes WHERE account = ?", hello.account).one().n)
          : 0;
      }),
    ),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

const create = (hello: Hello, name: string) => hello.accountObject.createService({ name }, caller);
const remove = (hello: Hello, name: string) => hello.accountObject.deleteService(name, caller);

describe("of services that are created and deleted under new names", () => {
  test("nothing is left after a time, in the account, the directory and their own objects", async ({
    hello,
  }) => {
    const before = [...(await countsOf(hello)), await codesOf(hello)];
    const names = Array.from({ length: deletedServicesForgottenAtOnce + 5 }, (_, n) => `short-lived-${n}`);
    for (const name of names) {
      value(await create(hello, name));
      value(await remove(hello, name));
    }
    expect(await codesOf(hello)).toBe(names.length + 1);
    await passTimeRunning(hello.accountObject, deletedServicesKeptMs);
    expect(await codesOf(hello)).toBe(names.length + 1);
    await passTimeRunning(hello.accountObject, forgottenWithinMs - deletedServicesKeptMs);
    expect([...(await countsOf(hello)), await codesOf(hello)]).toEqual(before);
    for (const name of names) expect(await storedIn(serviceStub(env, hello.account, name))).toEqual([]);
    expect(value(await hello.service().describe()).name).toBe("hello");
  });

  test("no more are kept than so many: then a name that was used before is still taken, and no new one", async ({
    hello,
  }) => {
    value(await create(hello, "used"));
    value(await remove(hello, "used"));
    await runInDurableObject(hello.accountObject, (_, { storage: { sql } }) =>
      sql
        .exec(
          `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
           INSERT INTO services (name, code, state, created_at, look_at, counted, config_version)
           SELECT 'gone' || i, '', 'removed', 0, ?, 1, 1000 FROM n`,
          deletedServicesMax - 1,
          Date.now() + 1,
        )
        .toArray(),
    );
    expect(code(await create(hello, "new"))).toBe("quota_exceeded");
    value(await create(hello, "used"));
    value(await create(hello, "new"));
  });
});

describe("a deleted service", () => {
  test("is kept while something of it lives, and its ended backends can be read for their time", async ({
    pinned: hello,
  }) => {
    const { backendId, report, describe: describeBackend, shard } = await startBackend(hello);
    value(await report({ status: "ready" }));
    const codeOfIt = backendId.slice(0, serviceCodeLength);
    value(await remove(hello, "hello"));
    await runInDurableObject(hello.service(), (_, { storage: { sql } }) => {
      sql.exec("UPDATE backends SET deadline_at = NULL").toArray();
      sql.exec("DELETE FROM deliveries").toArray();
    });
    await passTimeRunning(hello.accountObject, 2 * forgottenWithinMs);
    expect((await storedIn(hello.service())).length).toBeGreaterThan(0);
    value(await report({ status: "terminated" }));
    await passTimeRunning(hello.service(), 60_000);
    await passTimeRunning(hello.accountObject, endedBackendsKeptMs - 60_000);
    expect((await describeBackend()).history.at(-1)?.status).toBe("terminated");
    expect(await directoryStub(env, codeOfIt).lookup(codeOfIt)).not.toBeNull();
    await passTimeRunning(hello.accountObject, forgottenWithinMs - endedBackendsKeptMs);
    await passTimeRunning(shard(), expiredForgottenEveryMs);
    expect(await directoryStub(env, codeOfIt).lookup(codeOfIt)).toBeNull();
    expect([await storedIn(hello.service()), await storedIn(shard())]).toEqual([[], []]);
  });

  test("that is created anew before it is forgotten is the same, and is not forgotten", async ({ hello }) => {
    const codeOf = () =>
      runInDurableObject(hello.service(), (_, { storage: { sql } }) =>
        String(sql.exec("SELECT code FROM service").one().code),
      );
    const before = await codeOf();
    value(await remove(hello, "hello"));
    await passTimeRunning(hello.accountObject, deletedServicesKeptMs);
    value(await create(hello, "hello"));
    await passTimeRunning(hello.accountObject, 2 * forgottenWithinMs);
    expect(await codeOf()).toBe(before);
    expect(await directoryStub(env, before).lookup(before)).toEqual({
      account: hello.account,
      service: "hello",
      location: "auto",
    });
  });

  test("that is created anew while it is forgotten is a new one, once that is done", async ({ hello }) => {
    value(await remove(hello, "hello"));
    await passTimeRunning(hello.accountObject, deletedServicesSeenEveryMs);
    const { release } = Directory.prototype;
    let created: ReturnType<typeof create> | undefined;
    vi.spyOn(Directory.prototype, "release").mockImplementationOnce(async function (this: Directory, ...of) {
      created = create(hello, "hello");
      // A call after it, so that it has begun.
      await hello.accountObject.hasService("hello");
      return release.apply(this, of);
    });
    await passTimeRunning(hello.accountObject, forgottenWithinMs);
    expect(await created).toMatchObject({ ok: true });
    expect(await hello.accountObject.hasService("hello")).toBe(true);
    expect(value(await hello.service().describe()).environments).toHaveLength(1);
    expect(await codesOf(hello)).toBe(1);
  });
});
