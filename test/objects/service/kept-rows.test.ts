import { runInDurableObject } from "cloudflare:test";
import { describe, expect } from "vitest";
import type { BackendsWrites } from "../../../src/objects/service/sql/backends.sql.ts";
import { ServiceState } from "../../../src/objects/service/state.ts";
import { test } from "../support/object-test.ts";
import { value } from "../support/service.ts";

type Write = keyof BackendsWrites;

/** Every write of backends: how it changes the one, or null where it changes no row of a backend that is there. */
const changes: Record<Write, ((state: ServiceState, id: string) => unknown) | null> = {
  insertBackend: null,
  acknowledge: (state, id) => state.sql.acknowledge([id]),
  acknowledgeWithUrl: (state, id) => state.sql.acknowledgeWithUrl(id, "http://b.test"),
  acknowledgeWithStatus: (state, id) =>
    state.sql.acknowledgeWithStatus({
      id,
      status: "ready",
      status_at: 5,
      reason: null,
      deadline_at: 7,
      untold: true,
    }),
  endBackend: (state, id) => state.sql.endBackend({ id, status_at: 5, reason: "external" }),
  retrySpawn: (state, id) => state.sql.retrySpawn(id, 3, 9),
  setHeld: (state, id) => state.sql.setHeld(id, 5, null),
  setAgent: (state, id) => state.sql.setAgent([id], "an-agent"),
  setDeadline: (state, id) => state.sql.setDeadline(id, 12),
  deleteBackend: (state, id) =>
    state.sql.deleteBackend({ id, environment: "default", created_at: Date.now() }),
  noteRelease: null,
  noteSpawn: null,
};

describe("the row of a backend that is kept in memory is the one that is stored", () => {
  for (const [name, change] of Object.entries(changes)) {
    if (!change) continue;
    test(`after ${name}`, async ({ pinned: hello }) => {
      const { backendId } = value(await hello.connect());
      await runInDurableObject(hello.service(), async (_, { storage }) => {
        const state = new ServiceState(storage);
        const row = keptRow(state, backendId);
        change(state, backendId);
        expect(state.sql.backend(backendId)).not.toEqual(row);
        expect(state.backend(backendId)).toEqual(state.sql.backend(backendId));
      });
    });
  }

  test("after a change that was rolled back", async ({ pinned: hello }) => {
    const { backendId } = value(await hello.connect());
    await runInDurableObject(hello.service(), async (_, { storage }) => {
      const state = new ServiceState(storage);
      const row = keptRow(state, backendId);
      expect(() =>
        state.db.transaction(() => {
          state.sql.setDeadline(backendId, 12);
          throw new Error("no room");
        }),
      ).toThrow("no room");
      expect(state.backend(backendId)).toEqual(row);
    });
  });
});

function keptRow(state: ServiceState, id: string) {
  const row = state.sql.backend(id);
  if (!row) throw new Error("it has no row");
  state.keepBackend(row);
  return row;
}
