import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect } from "vitest";
import { Database } from "../../../src/objects/database.ts";
import { serviceMigrations } from "../../../src/objects/service/sql/migrations.ts";
import { ServiceState } from "../../../src/objects/service/state.ts";
import { serviceStub } from "../../../src/objects/stubs.ts";
import { startBackend } from "../support/backend.ts";
import { metered } from "../support/cost.ts";
import { test } from "../support/object-test.ts";
import { type Hello, value } from "../support/service.ts";

/** The rows of backends that a step writes in the Service object. */
async function rowsOf(
  hello: Hello,
  meter: Awaited<ReturnType<typeof metered>>,
  step: () => Promise<unknown>,
): Promise<number> {
  await hello.service().describe();
  meter.reset();
  await step();
  await hello.service().describe();
  return Object.entries(meter.cost.rows).reduce(
    (sum, [statement, rows]) => sum + (/ backends\b/.test(statement) ? rows : 0),
    0,
  );
}

describe("the rows of backends that a life writes in its service", () => {
  test.for([
    ["without a key", undefined, { spawn: 1 }],
    ["with a key, whose index is one more at the spawn alone", "doc", { spawn: 2 }],
  ] as const)("%s", async ([_, key, { spawn }], { pinned: hello }) => {
    await startBackend(hello);
    const meter = await metered(hello.service());
    const rows = (step: () => Promise<unknown>) => rowsOf(hello, meter, step);
    expect(await rows(async () => value(await hello.connect(key === undefined ? {} : { key })))).toBe(spawn);
    const live = value(await hello.service().liveBackends());
    const { id, fencingToken } = live[0]?.info ?? { id: "", fencingToken: 0 };
    const report = (status: Parameters<Hello["report"]>[2]) => async () =>
      value(await hello.report(id, fencingToken, status));
    expect(await rows(report("ready"))).toBe(1);
    expect(await rows(report("terminating"))).toBe(1);
    expect(await rows(report("terminated"))).toBe(1);
  });
});

describe("the index of keys", () => {
  const insert = (sql: SqlStorage, id: string, status: string, ended: number | null) =>
    sql
      .exec(
        `INSERT INTO backends (id, environment, cluster, key, fencing_token, digest, spec, created_at, status,
                               status_at${ended === null ? "" : ", ended"})
         VALUES (?, 'default', 'main', 'doc', 1, '', '{}', 1, ?, 1${ended === null ? "" : `, ${ended}`})`,
        id,
        status,
      )
      .toArray();

  test("takes one live backend for a key, and any number that have ended", async ({ pinned: hello }) => {
    await runInDurableObject(hello.service(), (_, { storage: { sql } }) => {
      insert(sql, "a", "terminated", 1);
      insert(sql, "b", "terminated", 1);
      insert(sql, "c", "ready", 0);
      expect(() => insert(sql, "d", "scheduled", 0)).toThrow(/UNIQUE/);
      expect(() => sql.exec("UPDATE backends SET ended = 0 WHERE id = 'a'").toArray()).toThrow(/UNIQUE/);
    });
  });

  test("lets a key go with an end that the service decides, while the row is still there", async ({
    pinned: hello,
  }) => {
    const { backendId } = await startBackend(hello, "doc");
    await runInDurableObject(hello.service(), (_, { storage }) => {
      const { sql } = new ServiceState(storage);
      expect(() => insert(storage.sql, "next", "scheduled", 0)).toThrow(/UNIQUE/);
      sql.endBackend({ id: backendId, status_at: 2, reason: "lost" });
      insert(storage.sql, "next", "scheduled", 0);
    });
  });

  test("is made of what an earlier version has left", async () => {
    await runInDurableObject(serviceStub(env, "earlier", "keys"), (_, { storage }) => {
      const now = serviceMigrations.findIndex(({ name }) => name.startsWith("keys by whether"));
      new Database(storage, serviceMigrations.slice(0, now)).migrate();
      insert(storage.sql, "a", "terminated", null);
      insert(storage.sql, "b", "terminating", null);
      new Database(storage, serviceMigrations);
      const rows = storage.sql.exec("SELECT id, ended FROM backends ORDER BY id").toArray();
      expect(rows).toEqual([
        { id: "a", ended: 1 },
        { id: "b", ended: 0 },
      ]);
      expect(() => insert(storage.sql, "c", "scheduled", 0)).toThrow(/UNIQUE/);
    });
  });
});
