import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, vi } from "vitest";
import { Database } from "../../../src/objects/database.ts";
import { serviceMigrations } from "../../../src/objects/service/sql/migrations.ts";
import { ServiceState } from "../../../src/objects/service/state.ts";
import { serviceStub } from "../../../src/objects/stubs.ts";
import { registrationOf } from "../support/agent.ts";
import { startBackend } from "../support/backend.ts";
import { metered } from "../support/cost.ts";
import { test } from "../support/object-test.ts";
import { caller, value } from "../support/service.ts";

type Meter = Awaited<ReturnType<typeof metered>>;

/** The rows of backends that were written since the meter was reset. */
function rowsIn({ cost }: Meter): number {
  const written = Object.entries(cost.rows).filter(([statement]) =>
    /^(INSERT INTO|UPDATE|DELETE FROM) backends\b/.test(statement),
  );
  return written.reduce((sum, [_, rows]) => sum + rows, 0);
}

const start = [
  { status: "starting" as const, ms_ago: 20 },
  { status: "waiting" as const, ms_ago: 10 },
];
const loading = { status: "loading" as const, ms_ago: 30 };
const swept = { termination_reason: "swept" as const };

describe("the rows of backends that a life writes", () => {
  /** As the agent reports it, each with what its service and its shard write. */
  const ending = [
    ["terminating", { status: "terminating", ...swept }, [1, 0]],
    // The shard writes all that it has, and after the service the end, with its index.
    ["terminated", { status: "terminated", ...swept, exit_code: 0 }, [1, 3]],
  ] as const;
  test.for([
    [
      "without a key: 7",
      { spawn: 1, key: undefined },
      [["ready", { status: "ready", earlier: [loading, ...start] }, [1, 0]], ...ending],
    ],
    [
      "with a key, of which the index is one more at the spawn alone, and whose start waits for a report: 9",
      { spawn: 2, key: "doc" },
      [
        ["loading", { status: "loading" }, [0, 1]],
        ["ready", { status: "ready", earlier: [...start] }, [1, 0]],
        ...ending,
      ],
    ],
  ] as const)("%s", async ([title, { spawn, key }, reports], { pinned: hello }) => {
    await startBackend(hello);
    const service = await metered(hello.service());
    service.reset();
    const backend = await startBackend(hello, key);
    expect(rowsIn(service)).toBe(spawn);
    const shard = await metered(backend.shard());
    let all = spawn;
    for (const [what, report, rows] of reports) {
      service.reset();
      shard.reset();
      const body = { ...report, earlier: "earlier" in report ? [...report.earlier] : [] };
      expect(value(await backend.report(body)).accepted).toBe(true);
      // Statements are counted in the turn after them.
      await Promise.all([hello.service().describe(), backend.describe()]);
      expect([rowsIn(service), rowsIn(shard)], what).toEqual(rows);
      all += rowsIn(service) + rowsIn(shard);
    }
    expect(String(all)).toBe(title.split(": ").at(-1));
    expect((await backend.history()).map(({ status }) => status)).toEqual([
      "scheduled",
      "loading",
      "starting",
      "waiting",
      "ready",
      "terminating",
      "terminated",
    ]);
  });

  test("that its service ends: a row of the shard with the end, and its index", async ({ pinned: hello }) => {
    const backend = await startBackend(hello);
    value(await backend.report({ status: "ready" }));
    const shard = await metered(backend.shard());
    shard.reset();
    value(await hello.service().terminate(backend.backendId, true, caller));
    await backend.describe();
    expect(rowsIn(shard)).toBe(0);
    value(await hello.service().clusterLost("main", await registrationOf(hello), "lease"));
    await vi.waitFor(async () => expect((await backend.history()).at(-1)?.status).toBe("terminated"));
    expect(rowsIn(shard)).toBe(2);
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
