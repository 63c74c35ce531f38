import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, vi } from "vitest";
import {
  endedBackendsKeptMs,
  expiredForgottenAtOnce,
  expiredForgottenEveryMs,
  expiredTokensKeptMs,
  idempotencyKeptMs,
  pushesKept,
  revisionsKept,
} from "../../src/domain/limits.ts";
import { Database } from "../../src/objects/database.ts";
import { serviceMigrations } from "../../src/objects/service/sql/migrations.ts";
import { serviceStub } from "../../src/objects/stubs.ts";
import { evict, passTime, passTimeRunning } from "../support/worker/clock.ts";
import { metered } from "./support/cost.ts";
import { test } from "./support/object-test.ts";
import { usedBy } from "./support/quotas.ts";
import { actor, caller, connectParams, digestNumber, value } from "./support/service.ts";

const hour = 3_600_000;
const day = 24 * hour;

function countOf(stub: DurableObjectStub, table: string): Promise<number> {
  return runInDurableObject(stub, (_, { storage }) =>
    Number(storage.sql.exec(`SELECT count(*) AS n FROM ${table}`).one().n),
  );
}

/** A request that names itself. */
function keyed(key: string) {
  return { ...caller, idempotency: { principal: actor.tokenId, key, requestHash: key } };
}

/** Adds records of requests, one a second, from a time on. */
function addRecords(stub: DurableObjectStub, from: number, count: number): Promise<void> {
  return runInDurableObject(stub, (_, { storage }) => {
    storage.sql
      .exec(
        `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
         INSERT INTO idempotency (key, request_hash, at) SELECT 'old,' || i, '', ? + i * 1000 FROM n`,
        count,
        from,
      )
      .toArray();
  });
}

describe("what is past its keeping is deleted though nobody writes any more:", () => {
  test("access tokens, some time after they have expired", async ({ hello: { accountObject } }) => {
    const before = await countOf(accountObject, "tokens");
    const body = { name: "short", role: "read", expires_in_seconds: 3_600 } as const;
    const secret = { id: "shorttoken00", secretHash: "h" };
    value(await accountObject.createToken(body, secret, caller));
    await passTimeRunning(accountObject, hour + expiredTokensKeptMs - 1);
    expect(await countOf(accountObject, "tokens")).toBe(before + 1);
    await passTimeRunning(accountObject, expiredForgottenEveryMs);
    expect(await countOf(accountObject, "tokens")).toBe(before);
  });

  test("the account's records of requests, within their day and some hours", async ({ hello }) => {
    const { accountObject } = hello;
    const secret = { id: "keyedtoken00", secretHash: "h" };
    value(await accountObject.createToken({ name: "lasting", role: "read" }, secret, keyed("a")));
    await passTimeRunning(accountObject, idempotencyKeptMs - 1);
    expect(await countOf(accountObject, "idempotency")).toBe(1);
    await passTimeRunning(accountObject, expiredForgottenEveryMs);
    expect(await countOf(accountObject, "idempotency")).toBe(0);
  });

  test("a service's records of requests, also of those that spawned nothing", async ({ pinned: hello }) => {
    const service = hello.service();
    for (const key of ["a", "b"])
      value(await service.connectBackend(connectParams({ key: "doc" }), keyed(key)));
    await passTimeRunning(service, idempotencyKeptMs - 1);
    expect(await countOf(service, "idempotency")).toBe(2);
    await passTimeRunning(service, expiredForgottenEveryMs);
    expect(await countOf(service, "idempotency")).toBe(0);
  });

  test("notes of releases, with the backends", async ({ pinned: hello }) => {
    const service = hello.service();
    value(await hello.connect());
    await runInDurableObject(service, (_, { storage }) => {
      storage.sql.exec("INSERT INTO releases (backend, at) VALUES ('gone', ?)", Date.now()).toArray();
    });
    await passTimeRunning(service, endedBackendsKeptMs - 1);
    expect(await countOf(service, "releases")).toBe(1);
    await passTimeRunning(service, expiredForgottenEveryMs);
    expect(await countOf(service, "releases")).toBe(0);
  });
});

describe("a backlog of what is past its keeping", () => {
  test("is deleted in batches, one soon after the other", async ({ hello: { accountObject } }) => {
    await addRecords(accountObject, Date.now() - 10 * day, expiredForgottenAtOnce + 10);
    await runInDurableObject(accountObject, (_, { storage }) => storage.setAlarm(Date.now()));
    await passTime(accountObject, 0);
    expect(await countOf(accountObject, "idempotency")).toBe(10);
    await passTime(accountObject, 1_000);
    expect(await countOf(accountObject, "idempotency")).toBe(0);
  });
});

describe("an object wakes for what is past its keeping", () => {
  test("once in six hours at most, however much there is of it", async ({ hello: { accountObject } }) => {
    const until = Date.now() + 3 * day;
    const meter = await metered(accountObject);
    for (let i = 0; i < 24; i++) {
      const secret = { id: `token${String(i).padStart(7, "0")}`, secretHash: "h" };
      value(await accountObject.createToken({ name: "one", role: "read" }, secret, keyed(String(i))));
      await meter.letPass(hour, async () => {});
    }
    await meter.letPass(until - Date.now(), async () => {});
    expect(await countOf(accountObject, "idempotency")).toBe(0);
    expect(meter.cost.alarms.length).toBeLessThanOrEqual(3 * 4 + 1);
  });
});

describe("what is kept by its number", () => {
  test("is the newest revisions of an environment, and no revision of one that is deleted", async ({
    pinned: hello,
  }) => {
    let service = hello.service();
    const create = () => service.createEnvironment({ name: "prod", image: "latest" }, caller);
    value(await create());
    await runInDurableObject(service, (_, { storage: { sql } }) => {
      sql
        .exec(
          `WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
           INSERT INTO revisions (environment, revision, image, kind, token_id, token_name, at)
             SELECT e.seq, i, 'latest', 'pin', 't', 't', 0 FROM n, environments e WHERE e.name = 'prod'`,
          revisionsKept,
        )
        .toArray();
      sql.exec("UPDATE environments SET revision = ? WHERE name = 'prod'", revisionsKept).toArray();
    });
    // The object keeps in memory what it has read.
    await evict(service);
    service = hello.service();
    const before = await countOf(service, "revisions");
    const pin = { image: "latest" };
    expect(value(await service.pin("prod", pin, caller)).revision).toBe(revisionsKept + 1);
    expect(await countOf(service, "revisions")).toBe(before);
    const page = { limit: 200, cursor: "3" };
    expect(value(await service.history("prod", page)).items.map(({ revision }) => revision)).toEqual([2]);

    value(await service.deleteEnvironment("prod", caller));
    expect(await countOf(service, "revisions")).toBe(before - revisionsKept);
    value(await create());
    expect(value(await service.history("prod", { limit: 200 })).items).toHaveLength(1);
  });

  test("is given back to the account's quotas with the revisions that go", async ({ pinned: hello }) => {
    value(await hello.service().pin("default", { image: "latest", note: "first" }, caller));
    expect(await usedBy(hello)).toMatchObject({ pin_notes: 1 });
    await runInDurableObject(hello.service(), (_, { storage: { sql } }) => {
      sql.exec("UPDATE environments SET revision = ?", 3 + revisionsKept - 1).toArray();
    });
    // The object keeps in memory what it has read.
    await evict(hello.service());
    value(await hello.service().pin("default", { image: "latest" }, caller));
    await vi.waitFor(async () => expect(await usedBy(hello)).toMatchObject({ pin_notes: 0 }));
  });

  test("is the newest pushes, from which tags and images are found as before", async ({ pinned: hello }) => {
    const service = hello.service();
    await runInDurableObject(service, (_, { storage: { sql } }) => {
      sql
        .exec(
          `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
           INSERT INTO pushes (digest, pushed_at) SELECT ?, 0 FROM n`,
          pushesKept,
          digestNumber(1),
        )
        .toArray();
    });
    await hello.push(2, "next");
    expect(await countOf(service, "pushes")).toBe(pushesKept);
    const images = value(await service.listImages({ limit: 10 }, caller)).items;
    expect(images.map(({ digest, tags }) => [digest, tags])).toEqual([
      [digestNumber(2), ["next"]],
      [digestNumber(1), ["latest"]],
    ]);
    expect(value(await service.recentImages(caller)).at(0)).toMatchObject({
      digest: digestNumber(2),
      tag: "next",
    });
  });

  test("leaves numbers to no two images, also where the pushes of one are all that was kept", async ({
    pinned: hello,
  }) => {
    const service = hello.service();
    await hello.push(2, "other");
    await runInDurableObject(service, (_, { storage: { sql } }) => {
      sql.exec("DELETE FROM pushes WHERE digest != ?", digestNumber(2)).toArray();
    });
    value(await service.deleteImage(digestNumber(2), caller));
    for (const n of [3, 4, 5]) await hello.push(n, `tag-${n}`);
    const images = value(await service.listImages({ limit: 10 }, caller)).items;
    expect(images.map(({ digest }) => digest)).toEqual([5, 4, 3, 1].map(digestNumber));
  });
});

describe("what a former version kept without a bound", () => {
  const former = serviceMigrations.findIndex(({ name }) => name === "bounds of revisions and pushes");

  test("is trimmed when the object starts, and numbers of deleted environments are given to no other", async ({
    hello,
  }) => {
    const left = await runInDurableObject(serviceStub(env, hello.account, "former"), (_, { storage }) => {
      new Database(storage, serviceMigrations.slice(0, former)).migrate();
      const run = (sql: string) => storage.sql.exec(sql).toArray();
      run(`INSERT INTO service (id, account, name, code, created_at, config, config_version)
             VALUES (1, 'a', 's', 'c', 0, '{}', 1)`);
      run(`INSERT INTO environments (seq, name, settings, image, revision, created_at)
             VALUES (1, 'default', '{}', 'latest', 1500, 0)`);
      const numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)";
      for (const environment of [1, 2]) {
        run(`${numbers} INSERT INTO revisions (environment, revision, image, kind, token_id, token_name, at)
               SELECT ${environment}, i, 'latest', 'pin', 't', 't', 0 FROM n`);
      }
      run(`${numbers} INSERT INTO pushes (digest, pushed_at) SELECT 'd', 0 FROM n`);
      new Database(storage, serviceMigrations.slice(0, former + 1));
      const rangeOf = (table: string, column: string) =>
        storage.sql.exec(`SELECT min(${column}) AS first, count(*) AS count FROM ${table}`).one();
      return {
        revisions: rangeOf("revisions", "revision"),
        pushes: rangeOf("pushes", "seq"),
        last: storage.sql.exec("SELECT last_environment AS seq FROM service").one(),
      };
    });
    expect(left).toEqual({
      revisions: { first: 501, count: revisionsKept },
      pushes: { first: 501, count: pushesKept },
      last: { seq: 2 },
    });
  });
});
