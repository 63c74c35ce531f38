import fc from "fast-check";
import { expect, test } from "vitest";
import {
  meantAndLive,
  nextToTerminate,
  stillToTerminate,
} from "../../../src/domain/backends/mass-termination.ts";

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

test("a mass termination means what is no newer than it, of its environments and time, and has not ended", () => {
  const backends = (
    [
      ["old", "prod", "ready", 1, 10],
      ["soft", "prod", "terminating", 2, 20],
      ["hard", "staging", "hard-terminating", 3, 30],
      ["over", "prod", "terminated", 4, 40],
      ["new", "staging", "ready", 5, 50],
    ] as const
  ).map(([id, environment, status, fencing_token, created_at]) => ({
    id,
    environment,
    status,
    fencing_token,
    created_at,
  }));
  const all = { hard: false, createdBefore: null, environments: null, lastFencingToken: 5 };
  const live = (meant: Partial<typeof all> | { environments: string[] } | { createdBefore: number }) =>
    meantAndLive(backends, { ...all, ...meant }).map(({ id }) => id);
  const left = (hard: boolean) => stillToTerminate(backends, { ...all, hard }).map(({ id }) => id);
  expect(live({})).toEqual(["old", "soft", "hard", "new"]);
  expect(live({ lastFencingToken: 4 })).toEqual(["old", "soft", "hard"]);
  expect(live({ createdBefore: 20 })).toEqual(["old"]);
  expect(live({ environments: ["staging"] })).toEqual(["hard", "new"]);
  expect(left(false)).toEqual(["old", "new"]);
  expect(left(true)).toEqual(["old", "soft", "new"]);
});
