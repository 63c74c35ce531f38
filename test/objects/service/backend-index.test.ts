import { runInDurableObject } from "cloudflare:test";
import fc from "fast-check";
import { expect } from "vitest";
import type { BackendsWrites } from "../../../src/objects/service/sql/backends.sql.ts";
import { ServiceState } from "../../../src/objects/service/state.ts";
import { afterWrite, writeAndCompare } from "../support/index-steps.ts";
import { test } from "../support/object-test.ts";
import { digestNumber } from "../support/service.ts";

type BackendStatement = Exclude<keyof BackendsWrites, "noteRelease" | "noteSpawn">;

/** Every statement that writes backends, on one of a few. */
const statements: Record<BackendStatement, (state: ServiceState, id: string, n: number) => unknown> = {
  insertBackend: ({ sql }, id, n) =>
    sql.insertBackend({
      id,
      environment: n % 2 ? "default" : "prod",
      cluster: "main",
      key: n % 3 ? null : id,
      fencing_token: n,
      digest: digestNumber(n % 3),
      spec: "{}",
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
      deadline_at: null,
      untold: n % 2 === 0,
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
});

test("the index of backends is what the table has, whatever writes it, and whatever is rolled back", async ({
  pinned: hello,
}) => {
  await runInDurableObject(hello.service(), (_, { storage }) => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        storage.sql.exec("DELETE FROM backends").toArray();
        const state = new ServiceState(storage);
        const compare = () =>
          expect(state.backends.all()).toEqual(
            state.sql.indexedBackends(null).sort((a, b) => a.fencing_token - b.fencing_token),
          );
        steps.forEach(({ statement, id, after }, i) => {
          writeAndCompare(state, after, () => statements[statement](state, id, i + 1), compare);
        });
        compare();
      }),
    );
  });
});

test("the index knows what an environment's backends amount to, and gives each new spawn once", async ({
  pinned: hello,
}) => {
  await runInDurableObject(hello.service(), (_, { storage }) => {
    const state = new ServiceState(storage);
    const insert = (id: string, n: number) => statements.insertBackend(state, id, n);
    insert("a", 1);
    insert("b", 2);
    insert("c", 3);
    const { backends } = state;
    expect([backends.liveIn("default"), backends.liveIn("prod"), backends.liveIn("other")]).toEqual([
      2, 1, 0,
    ]);
    expect([backends.lastSpawnIn("default"), backends.lastSpawnIn("other")]).toEqual([3, null]);
    expect(backends.takeSpawned()).toEqual(new Map(Object.entries({ default: 3, prod: 2 })));
    state.sql.endBackend({ id: "c", status_at: 4, reason: "lost" });
    insert("d", 6);
    expect([backends.liveIn("default"), backends.liveIn("prod")]).toEqual([1, 2]);
    expect(backends.live().map(({ id }) => id)).toEqual(["a", "b", "d"]);
    expect(backends.takeSpawned()).toEqual(new Map([["prod", 6]]));
  });
});
