import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { partHolderSilentMs, partsInMemoryMax, uploadStalledMs } from "../../../src/domain/limits.ts";
import {
  emptyRoom,
  enterRoom,
  givesPartUp,
  giveUpIfWanted,
  holdsPart,
  leaveRoom,
  showInRoom,
  type UploadRoom,
  waitsForPart,
} from "../../../src/domain/registry/upload-room.ts";

const ids = (holders: UploadRoom["holding"]) => holders.map(({ id }) => id);
const enterAll = (count: number, now = 0) =>
  Array.from({ length: count }, (_, i) => i + 1).reduce(
    (room, id) => enterRoom(room, id, "acme", now),
    emptyRoom,
  );
const full = Array.from({ length: partsInMemoryMax }, (_, i) => i + 1);
const [next, afterNext] = [partsInMemoryMax + 1, partsInMemoryMax + 2];

describe("the room for parts in memory", () => {
  test("lets in as many as there is room for, and the others in the order in which they came", () => {
    const room = enterAll(partsInMemoryMax + 2);
    expect([ids(room.holding), ids(room.waiting)]).toEqual([full, [next, afterNext]]);
    const left = leaveRoom(room, 3, 0);
    expect(holdsPart(left, next)).toBe(true);
    expect(ids(left.waiting)).toEqual([afterNext]);
  });

  test("lets the account in that holds the fewest, whoever came before it", () => {
    const room = enterRoom(enterAll(3 * partsInMemoryMax), 99, "other", 0);
    const left = leaveRoom(room, 1, 0);
    expect(holdsPart(left, 99)).toBe(true);
    expect(holdsPart(leaveRoom(enterRoom(left, 100, "other", 0), 2, 0), next)).toBe(false);
    const others = enterRoom(enterRoom(left, 100, "third", 0), 101, "other", 0);
    const twoLeft = leaveRoom(leaveRoom(others, 2, 0), 3, 0);
    expect([holdsPart(twoLeft, 100), holdsPart(twoLeft, 101)]).toEqual([true, true]);
  });

  test("forgets who leaves while it waits", () => {
    const room = leaveRoom(leaveRoom(enterAll(partsInMemoryMax + 2), next, 0), 1, 0);
    expect(holdsPart(room, afterNext)).toBe(true);
    expect(waitsForPart(room, next)).toBe(false);
  });

  test("gives the parts of those that are gone without a word to others, and lets none of them back in", () => {
    const room = enterAll(partsInMemoryMax + 1);
    const later = full.slice(1).reduce((now, id) => showInRoom(now, id, 1), room);
    const waits = showInRoom(showInRoom(later, next, 1), next, partHolderSilentMs - 1);
    expect(waitsForPart(waits, next)).toBe(true);
    const granted = showInRoom(waits, next, partHolderSilentMs);
    expect([holdsPart(granted, 1), holdsPart(granted, next)]).toEqual([false, true]);
    expect(holdsPart(showInRoom(granted, 1, partHolderSilentMs), 1)).toBe(false);
  });

  test("passes over those that were gone before it was their turn", () => {
    const room = [...full, afterNext].reduce(
      (now, id) => showInRoom(now, id, partHolderSilentMs - 1),
      enterAll(partsInMemoryMax + 2),
    );
    const left = leaveRoom(room, 1, partHolderSilentMs);
    expect([holdsPart(left, next), holdsPart(left, afterNext)]).toEqual([false, true]);
  });

  test("wants a part back of a client that has stalled, where somebody waits for it", () => {
    const [alone, contended] = [enterAll(partsInMemoryMax), enterAll(partsInMemoryMax + 1)];
    const isWanted = (room: UploadRoom, since: number) =>
      givesPartUp(giveUpIfWanted(room, 1, since, uploadStalledMs), 1);
    expect([isWanted(alone, 0), isWanted(contended, 1), isWanted(contended, 0)]).toEqual([
      false,
      false,
      true,
    ]);
  });

  test("wants no more parts back than are waited for", () => {
    const stalled = full.reduce(
      (room, id) => giveUpIfWanted(room, id, 0, uploadStalledMs),
      enterAll(partsInMemoryMax + 2),
    );
    expect(full.filter((id) => givesPartUp(stalled, id))).toEqual([1, 2]);
    const left = leaveRoom(leaveRoom(stalled, 1, 0), 2, 0);
    expect([holdsPart(left, next), holdsPart(left, afterNext), givesPartUp(left, 3)]).toEqual([
      true,
      true,
      false,
    ]);
  });

  test("never holds more than there may be, and lets nobody wait while there is room", () => {
    const id = fc.integer({ min: 1, max: 3 * partsInMemoryMax });
    const step = fc.record({
      do: fc.constantFrom("enter" as const, "enter" as const, "leave" as const, "show" as const),
      id,
      ms: fc.constantFrom(0, 0, 1000, partHolderSilentMs),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        let [room, now]: [UploadRoom, number] = [emptyRoom, 0];
        for (const wanted of steps) {
          now += wanted.ms;
          const isIn = holdsPart(room, wanted.id) || waitsForPart(room, wanted.id);
          if (wanted.do === "enter" && !isIn)
            room = enterRoom(room, wanted.id, wanted.id % 2 === 0 ? "acme" : "other", now);
          if (wanted.do === "leave") room = leaveRoom(room, wanted.id, now);
          if (wanted.do === "show") room = showInRoom(room, wanted.id, now);
          expect(room.holding.length).toBeLessThanOrEqual(partsInMemoryMax);
          if (room.waiting.length > 0) expect(room.holding).toHaveLength(partsInMemoryMax);
        }
      }),
    );
  });
});
