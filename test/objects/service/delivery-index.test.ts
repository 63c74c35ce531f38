import { runInDurableObject } from "cloudflare:test";
import fc from "fast-check";
import { expect } from "vitest";
import type { DeliveriesWrites } from "../../../src/objects/service/sql/deliveries.sql.ts";
import type { PendingDelivery } from "../../../src/objects/service/sql/service.sql.ts";
import { ServiceState } from "../../../src/objects/service/state.ts";
import { afterWrite, writeAndCompare } from "../support/index-steps.ts";
import { test } from "../support/object-test.ts";

/** Every statement that writes deliveries, on one of a few. */
const statements: Record<keyof DeliveriesWrites, (state: ServiceState, id: string, at: number) => unknown> = {
  insertDelivery: ({ sql }, id, at) =>
    sql.insertDelivery({
      id,
      type: "image.pinned",
      cluster: "main",
      backend: null,
      data: "{}",
      next_attempt_at: at,
      expires_at: at,
    }),
  retryDelivery: ({ sql }, id, at) => sql.retryDelivery(id, 2, at),
  deleteDeliveries: ({ sql }, id) => sql.deleteDeliveries([id, "never there"]),
};

const step = fc.record({
  write: fc.constantFrom(statements.insertDelivery, ...Object.values(statements)),
  id: fc.constantFrom("a", "b", "c", "d"),
  at: fc.nat(9),
  after: afterWrite,
});

const byId = (rows: readonly PendingDelivery[]) =>
  [...rows].sort((a, b) => (a.id < b.id ? -1 : Number(a.id > b.id)));

test("the index of deliveries is what the table has, by when they are due, whatever is written and rolled back", async ({
  hello,
}) => {
  await runInDurableObject(hello.service(), (_, { storage }) => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30, size: "max" }), (steps) => {
        storage.sql.exec("DELETE FROM deliveries").toArray();
        const state = new ServiceState(storage);
        const compare = () => {
          const indexed = state.deliveries.all();
          expect(byId(indexed)).toEqual(byId(state.sql.pendingDeliveries(null)));
          const times = indexed.map((row) => row.next_attempt_at);
          expect(times).toEqual([...times].sort((a, b) => a - b));
        };
        for (const { write, id, at, after } of steps) {
          writeAndCompare(state, after, () => write(state, id, at), compare);
        }
        compare();
      }),
    );
  });
});
