import fc from "fast-check";
import { expect, test } from "vitest";
import { nextToTerminate } from "../../../src/domain/backends/mass-termination.ts";

const candidate = fc.record({ id: fc.uuid(), cluster: fc.constantFrom("a", "b", "c") });

test("a mass termination goes on with the first of each cluster that there is room for, and with all in the end", () => {
  fc.assert(
    fc.property(fc.array(candidate), fc.nat(10), fc.integer({ min: 1, max: 10 }), (all, busy, atOnce) => {
      const chosen = new Set(nextToTerminate(all, new Map([["a", busy]]), atOnce));
      for (const cluster of ["a", "b", "c"]) {
        const its = all.filter((one) => one.cluster === cluster).map(({ id }) => id);
        const room = Math.max(0, atOnce - (cluster === "a" ? busy : 0));
        expect(its.filter((id) => chosen.has(id))).toEqual(its.slice(0, room));
      }
      let left = all;
      for (let rounds = 0; left.length > 0; rounds++) {
        expect(rounds).toBeLessThanOrEqual(all.length);
        const next = new Set(nextToTerminate(left, new Map(), atOnce));
        left = left.filter(({ id }) => !next.has(id));
      }
    }),
  );
});
