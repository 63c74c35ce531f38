import fc from "fast-check";
import { expect, test } from "vitest";
import { type FanOut, fanOutAfter, fanOutBegun, nextOfFanOut } from "../../src/domain/fan-out.ts";

const names = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 4 }), { maxLength: 40 });

test("reaches each once, whatever fails reaches all others before, and ends when nothing fails any more", () => {
  fc.assert(
    fc.property(names, fc.integer({ min: 1, max: 9 }), fc.nat(), (all, atOnce, failsAt) => {
      const failing = all.length === 0 ? undefined : all[failsAt % all.length];
      const reached: string[] = [];
      let progress: FanOut = fanOutBegun;
      const runs = Math.ceil(all.length / atOnce) + 3;
      for (let run = 0; run < runs; run++) {
        // It fails until the others are through, and twice more.
        const isMended = run >= runs - 1;
        const tried = nextOfFanOut(all, progress, atOnce);
        expect(tried.length).toBeLessThanOrEqual(atOnce);
        const failed = tried.filter((name) => name === failing && !isMended);
        reached.push(...tried.filter((name) => !failed.includes(name)));
        progress = fanOutAfter(progress, tried, failed);
      }
      expect(reached.toSorted()).toEqual(all.toSorted());
      expect(nextOfFanOut(all, progress, atOnce)).toEqual([]);
    }),
  );
});

test("leaves out what is gone meanwhile, and takes in what comes after", () => {
  const progress = fanOutAfter(fanOutBegun, ["a", "b"], ["b"]);
  expect(nextOfFanOut(["a", "c"], progress, 9)).toEqual(["c"]);
  expect(nextOfFanOut(["a"], progress, 9)).toEqual([]);
});

test("tries no more at a time of those that failed than of the others", () => {
  const all = ["a", "b", "c", "d"];
  const progress = fanOutAfter({ after: "b", failed: ["a", "b"] }, ["c", "d"], ["c", "d"]);
  expect(nextOfFanOut(all, progress, 3)).toEqual(["a", "b", "c"]);
});

test("stays where it is when nothing was tried", () => {
  const progress = { after: "b", failed: ["a"] };
  expect(fanOutAfter(progress, [], [])).toEqual(progress);
});
