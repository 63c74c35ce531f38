import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { streamSilentMs } from "../../../src/domain/limits.ts";
import { type Place, StreamPlaces } from "../../../src/edge/streams/stream-places.ts";

describe("places", () => {
  test("are given out until they are taken, for each key by itself, and again when they are given back", () => {
    const places = new StreamPlaces(() => 0);
    const [first] = [places.take("a", 2), places.take("a", 2)];
    expect(places.take("a", 2)).toBeNull();
    expect(places.take("b", 2)).not.toBeNull();
    first?.release();
    first?.release();
    expect([places.take("a", 2) !== null, places.take("a", 2)]).toEqual([true, null]);
    expect(places.take("c", 0)).toBeNull();
  });

  test("of those who have been silent for a minute are free, and of nobody else", () => {
    let now = 0;
    const places = new StreamPlaces(() => now);
    const [silent, renewed] = [places.take("a", 2), places.take("a", 2)];
    now = streamSilentMs - 1;
    renewed?.renew();
    expect(places.take("a", 2)).toBeNull();
    now = streamSilentMs;
    expect([places.take("a", 2) !== null, places.take("a", 2)]).toEqual([true, null]);
    // It was given to somebody else: its former holder can neither renew nor release it.
    silent?.renew();
    silent?.release();
    expect(places.take("a", 2)).toBeNull();
  });

  test("that nobody asks about any more are forgotten with their holders", () => {
    let now = 0;
    const places = new StreamPlaces(() => now);
    for (let i = 0; i < 100; i++) places.take(`backend ${i}`, 1);
    const renewed = places.take("renewed", 1);
    now = streamSilentMs - 1;
    renewed?.renew();
    expect(places.keys).toBe(101);
    now = streamSilentMs;
    places.take("another", 1);
    expect(places.keys).toBe(2);
    renewed?.release();
    expect(places.keys).toBe(1);
  });

  test("are never more than there are, and none is lost", () => {
    const most = 3;
    const step = fc.oneof(
      fc.record({ do: fc.constant("take" as const), key: fc.constantFrom("a", "b") }),
      fc.record({ do: fc.constantFrom("renew" as const, "release" as const), holder: fc.nat(9) }),
      fc.record({ do: fc.constant("pass" as const), ms: fc.nat(streamSilentMs) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let now = 0;
        const places = new StreamPlaces(() => now);
        const holders: { key: string; place: Place; seenAt: number; isFree: boolean }[] = [];
        const holding = (key: string) =>
          holders.filter(
            (holder) => holder.key === key && !holder.isFree && now - holder.seenAt < streamSilentMs,
          );
        for (const taken of steps) {
          if (taken.do === "pass") now += taken.ms;
          else if (taken.do === "take") {
            const before = holding(taken.key).length;
            const place = places.take(taken.key, most);
            expect(place !== null).toBe(before < most);
            for (const holder of holders)
              holder.isFree ||= now - holder.seenAt >= streamSilentMs && holder.key === taken.key;
            if (place) holders.push({ key: taken.key, place, seenAt: now, isFree: false });
          } else {
            const holder = holders[taken.holder];
            holder?.place[taken.do]();
            if (holder && taken.do === "release") holder.isFree = true;
            else if (holder && !holder.isFree) holder.seenAt = now;
          }
        }
      }),
    );
  });
});
