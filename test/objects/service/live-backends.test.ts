import { runInDurableObject } from "cloudflare:test";
import fc from "fast-check";
import { describe, expect } from "vitest";
import type { BackendsWrites } from "../../../src/objects/service/sql/backends.sql.ts";
import type { BackendRow } from "../../../src/objects/service/sql/service.sql.ts";
import { ServiceState } from "../../../src/objects/service/state.ts";
import { failingStorage } from "../support/failing-storage.ts";
import { afterWrite, writeAndCompare } from "../support/index-steps.ts";
import { test } from "../support/object-test.ts";
import { digestNumber, value } from "../support/service.ts";

type BackendStatement = Exclude<keyof BackendsWrites, "noteRelease" | "noteSpawn">;

const digestsOfSteps = [0, 1, 2].map(digestNumber);

/** Every statement that writes backends, on one of a few. */
const statements: Record<BackendStatement, (state: ServiceState, id: string, n: number) => unknown> = {
  insertBackend: ({ sql }, id, n) =>
    sql.insertBackend({
      id,
      environment: n % 2 ? "default" : "prod",
      cluster: "main",
      key: n % 3 ? id : null,
      fencing_token: n,
      digest: digestNumber(n % 3),
      spec: n % 5 ? "{}" : JSON.stringify({ env: { LONG: "x".repeat(2000) } }),
      created_at: n,
      base_url: null,
      next_attempt_at: n,
      deadline_at: n + 300,
    }),
  acknowledge: ({ sql }, id) => sql.acknowledge([id]),
  acknowledgeWithUrl: ({ sql }, id) => sql.acknowledgeWithUrl(id, "https://cluster.test"),
  acknowledgeWithStatus: ({ sql }, id, n) =>
    sql.acknowledgeWithStatus({
      id,
      status: "ready",
      status_at: n,
      reason: null,
      base_url: null,
      deadline_at: null,
      untold: n % 2 === 0,
      entered: [{ status: "ready", time: n }],
    }),
  endBackend: ({ sql }, id, n) => sql.endBackend({ id, status_at: n, reason: "lost" }),
  retrySpawn: ({ sql }, id, n) => sql.retrySpawn(id, 2, n),
  setHeld: ({ sql }, id, n) => sql.setHeld(id, n, null),
  setAgent: ({ sql }, id, n) => sql.setAgent([id], `agent-${n % 2}`),
  setDeadline: ({ sql }, id, n) => sql.setDeadline(id, n),
  deleteBackend: ({ sql }, id) => sql.deleteBackend({ id, environment: "default", created_at: 0 }),
};

const names = Object.keys(statements).filter((name): name is BackendStatement => name in statements);
const step = fc.record({
  statement: fc.constantFrom<BackendStatement>("insertBackend", "insertBackend", ...names),
  id: fc.constantFrom("a", "b", "c", "d"),
  after: afterWrite,
  fails: fc.constantFrom(false, false, false, true),
});

/** All that the memory says of backends. */
function said(state: ServiceState, ids: readonly string[], now: number) {
  const { backends } = state;
  return {
    all: backends.all(),
    live: backends.live(),
    size: backends.size,
    newest: backends.newestFencingToken(),
    byId: ids.map((id) => backends.get(id)?.id),
    whole: ids.map((id) => state.backend(id)),
    holders: ids.map((id) => backends.holder("prod", id)?.id ?? backends.holder("default", id)?.id),
    counts: ["default", "prod", "other"].map((name) => [backends.liveIn(name), backends.digestsIn(name)]),
    byEnvironment: backends.liveByEnvironment(),
    total: backends.liveIn(undefined),
    running: digestsOfSteps.map((digest) => backends.running(digest, 2, ({ id }) => id !== "a")),
    due: backends.due(now),
    nextDeadline: backends.nextDeadline(),
    unacknowledged: new Set(backends.unacknowledged()),
    untold: new Set(backends.untold()),
    page: backends.before(now, 2, ({ environment }) => environment === "default"),
  };
}

/** The same, of the rows of the table. */
function follows(rows: readonly BackendRow[], ids: readonly string[], now: number): ReturnType<typeof said> {
  const all = rows
    .toSorted((a, b) => a.fencing_token - b.fencing_token)
    .map((row) => ({ ...row, spec: row.spec.length > 1024 ? null : row.spec }));
  const live = all.filter(({ status }) => status !== "terminated");
  const timed = all
    .filter(({ deadline_at: at }) => at !== null)
    .toSorted((a, b) => (a.deadline_at ?? 0) - (b.deadline_at ?? 0) || a.fencing_token - b.fencing_token);
  const of = (name: string) => live.filter(({ environment }) => environment === name);
  const countBy = <Row>(each: readonly Row[], by: (row: Row) => string) =>
    new Map([...Map.groupBy(each, by)].map(([name, group]) => [name, group.length]));
  return {
    all,
    live,
    size: all.length,
    newest: all.at(-1)?.fencing_token ?? 0,
    byId: ids.map((id) => all.find((row) => row.id === id)?.id),
    whole: ids.map((id) => rows.find((row) => row.id === id)),
    holders: ids.map((id) => live.find(({ key }) => key === id)?.id),
    counts: ["default", "prod", "other"].map((name) => [
      of(name).length,
      countBy(of(name), (row) => row.digest),
    ]),
    byEnvironment: countBy(live, ({ environment }) => environment),
    total: live.length,
    running: digestsOfSteps.map((digest) =>
      live
        .filter((row) => row.digest === digest && row.id !== "a")
        .reverse()
        .slice(0, 2),
    ),
    due: timed.filter(({ deadline_at: at }) => (at ?? 0) <= now),
    nextDeadline: timed[0]?.deadline_at ?? null,
    unacknowledged: new Set(all.filter(({ next_attempt_at: at }) => at !== null)),
    untold: new Set(all.filter(({ untold }) => untold !== 0)),
    page: live
      .filter(({ fencing_token: token, environment }) => token < now && environment === "default")
      .reverse()
      .slice(0, 2),
  };
}

describe("backends in memory", () => {
  test("are what the table has, whatever writes it, whatever fails and whatever is rolled back", async ({
    pinned: hello,
  }) => {
    await runInDurableObject(hello.service(), (_, { storage }) => {
      fc.assert(
        fc.property(fc.array(step, { maxLength: 30, size: "max" }), (steps) => {
          storage.sql.exec("DELETE FROM backends").toArray();
          const failing = failingStorage(storage);
          const state = new ServiceState(failing.storage);
          const ids = ["a", "b", "c", "d"];
          steps.forEach(({ statement, id, after, fails }, i) => {
            const compare = () => {
              failing.fails = false;
              const rows = storage.sql
                .exec<BackendRow & { history: string }>("SELECT * FROM backends")
                .toArray()
                .map(({ history: _, ...row }) => row);
              expect(said(state, ids, i)).toEqual(follows(rows, ids, i));
            };
            const write = () => {
              failing.fails = fails;
              statements[statement](state, id, i + 1);
            };
            writeAndCompare(state, after, write, compare);
          });
        }),
        // A roll back has all read again, and so mends what was wrong.
        { numRuns: 400 },
      );
    });
  });

  test("keep no spec that is long, and give it all the same", async ({ pinned: hello }) => {
    const env = { LONG: "x".repeat(2000) };
    const { backendId } = value(await hello.connect({ spawn: { env } }));
    await runInDurableObject(hello.service(), (_, { storage }) => {
      const state = new ServiceState(storage);
      expect(state.backends.get(backendId)?.spec).toBe(null);
      expect(JSON.parse(state.backend(backendId)?.spec ?? "")).toMatchObject({ env });
    });
  });

  test("give each new spawn of an environment once, and none that was rolled back", async ({
    pinned: hello,
  }) => {
    await runInDurableObject(hello.service(), (_, { storage }) => {
      const state = new ServiceState(storage);
      const insert = (id: string, n: number) =>
        state.db.transaction(() => statements.insertBackend(state, id, n));
      const take = () => state.db.transaction(() => state.backends.takeSpawned());
      insert("a", 1);
      insert("b", 2);
      insert("c", 3);
      const { backends } = state;
      expect([backends.lastSpawnIn("default"), backends.lastSpawnIn("other")]).toEqual([3, null]);
      expect(take()).toEqual(new Map(Object.entries({ default: 3, prod: 2 })));
      state.sql.endBackend({ id: "c", status_at: 4, reason: "lost" });
      expect(backends.lastSpawnIn("default")).toBe(3);
      insert("d", 6);
      expect(() =>
        state.db.transaction(() => {
          statements.insertBackend(state, "e", 9);
          throw new Error("no room");
        }),
      ).toThrow("no room");
      expect(backends.lastSpawnIn("default")).toBe(3);
      expect(take()).toEqual(new Map([["prod", 6]]));
      insert("f", 8);
      expect(() =>
        state.db.transaction(() => {
          backends.takeSpawned();
          throw new Error("no room");
        }),
      ).toThrow("no room");
      expect(take()).toEqual(new Map([["prod", 8]]));
    });
  });
});
