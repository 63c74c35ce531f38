import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isBelowFloor, usedPercent } from "../../../src/domain/disk/disk-space.ts";
import { imagesToRemove, isCollectionDue } from "../../../src/domain/disk/image-collection.ts";

const marks = { high: 85, low: 80, floor: 5 };
const disk = (freeBytes: number, totalBytes = 100) => ({ freeBytes, totalBytes });
const nothing = () => false;

describe("a disk", () => {
  test.for([
    [100, 0],
    [25, 75],
    [0, 100],
  ])("with %d of 100 bytes free is used by %d %%", ([free = 0, used = 0]) => {
    expect(usedPercent(disk(free))).toBe(used);
  });

  test("of no size is full", () => {
    expect(usedPercent(disk(0, 0))).toBe(100);
    expect(isBelowFloor(disk(0, 0), 5)).toBe(true);
  });

  test("has room for a backend down to the floor itself, and always where there is no floor", () => {
    expect([6, 5, 4, 0].map((free) => isBelowFloor(disk(free), 5))).toEqual([false, false, true, true]);
    expect(isBelowFloor(disk(0), 0)).toBe(false);
  });
});

describe("images are collected", () => {
  test("from above the high mark on", () => {
    expect([15, 14].map((free) => isCollectionDue(disk(free), marks))).toEqual([false, true]);
  });

  test("from below the floor on, wherever the high mark is: else a machine would refuse spawns for ever", () => {
    const late = { ...marks, high: 99 };
    expect([5, 4].map((free) => isCollectionDue(disk(free), late))).toEqual([false, true]);
  });

  test("never, where the high mark is the whole disk and there is no floor", () => {
    expect(isCollectionDue(disk(0), { high: 100, low: 80, floor: 0 })).toBe(false);
  });

  test("as many as bring the disk to the low mark, the least recently used first", () => {
    const present = ["newest", "oldest", "middle"].map((name) => ({ name, sizeBytes: 4 }));
    const pulled = new Map([
      ["newest", 3],
      ["oldest", 1],
      ["middle", 2],
    ]);
    const remove = (freeBytes: number) =>
      imagesToRemove({ disk: disk(freeBytes), marks, present, pulled, isInUse: nothing });
    expect(remove(20)).toEqual([]);
    expect(remove(16)).toEqual(["oldest"]);
    expect(remove(15)).toEqual(["oldest", "middle"]);
    expect(remove(0)).toEqual(["oldest", "middle", "newest"]);
  });

  test("until a backend fits, where the floor is above the low mark", () => {
    const pulled = new Map([["only", 1]]);
    const present = [{ name: "only", sizeBytes: 1 }];
    const remove = (floor: number) =>
      imagesToRemove({ disk: disk(24), marks: { low: 80, floor }, present, pulled, isInUse: nothing });
    expect([24, 25].map(remove)).toEqual([[], ["only"]]);
  });
});

/** Few names, so that the parts of a snapshot are about the same images. */
const name: fc.Arbitrary<string> = fc.constantFrom("a", "b", "c", "d", "e", "f");
const snapshot = fc.record({
  totalBytes: fc.integer({ min: 1, max: 1_000 }),
  freeShare: fc.double({ min: 0, max: 1, noNaN: true }),
  low: fc.integer({ min: 0, max: 100 }),
  floor: fc.integer({ min: 0, max: 100 }),
  present: fc.uniqueArray(fc.record({ name, sizeBytes: fc.integer({ min: 0, max: 300 }) }), {
    selector: (image) => image.name,
  }),
  pulled: fc.uniqueArray(fc.tuple(name, fc.integer({ min: 0, max: 9 })), { selector: ([each]) => each }),
  used: fc.array(name),
});

test("whatever there is: nothing in use or of others, the oldest first, no more than needed, no less than there is", () => {
  fc.assert(
    fc.property(snapshot, ({ totalBytes, freeShare, low, floor, present, used, ...given }) => {
      const before = disk(Math.floor(freeShare * totalBytes), totalBytes);
      const pulled = new Map(given.pulled);
      const isInUse = (each: string) => used.includes(each);
      const removed = imagesToRemove({ disk: before, marks: { low, floor }, present, pulled, isInUse });

      const sizes = new Map(present.map((image) => [image.name, image.sizeBytes]));
      const removable = present
        .map((image) => image.name)
        .filter((each) => pulled.has(each) && !isInUse(each));
      expect(new Set(removed).size).toBe(removed.length);
      expect(removable).toEqual(expect.arrayContaining(removed));
      const at = (each: string) => pulled.get(each) ?? Number.NaN;
      const kept = removable.filter((each) => !removed.includes(each));
      expect(removed.map(at)).toEqual(removed.map(at).sort((one, other) => one - other));
      for (const each of kept) expect(at(each)).toBeGreaterThanOrEqual(Math.max(0, ...removed.map(at)));

      const usedWithout = (gone: readonly string[]) => {
        const freed = gone.reduce((sum, each) => sum + (sizes.get(each) ?? 0), 0);
        return usedPercent(disk(before.freeBytes + freed, totalBytes));
      };
      const goal = Math.min(low, 100 - floor);
      if (removed.length > 0) expect(usedWithout(removed.slice(0, -1))).toBeGreaterThan(goal);
      if (kept.length > 0) expect(usedWithout(removed)).toBeLessThanOrEqual(goal);
    }),
    { numRuns: 2_000 },
  );
});
