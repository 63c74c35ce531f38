import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  backoffDelayMs,
  earliest,
  jittered,
  spawnRetryDelayMs,
} from "../../../src/domain/deliveries/retry.ts";
import {
  eventOutboxBackoff,
  pinnedBackoff,
  refollowBackoff,
  terminationBackoff,
} from "../../../src/domain/limits.ts";

const middle = 0.5;
const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

describe("jitter", () => {
  test.for([
    [0, 800],
    [0.5, 1000],
    [0.999999, 1200],
  ] as const)("a random value of %d makes %i ms of a second", ([value, delay]) => {
    expect(jittered(1000, value)).toBe(delay);
  });

  test("stays within 20 % and gives whole milliseconds", () => {
    fc.assert(
      fc.property(fc.nat(300_000), random, (delay, value) => {
        const spread = jittered(delay, value);
        expect(Number.isInteger(spread)).toBe(true);
        expect(spread).toBeGreaterThanOrEqual(Math.floor(delay * 0.8));
        expect(spread).toBeLessThanOrEqual(Math.ceil(delay * 1.2));
      }),
    );
  });
});

describe("the retries of a spawn", () => {
  test.for([
    [1, 1000],
    [2, 2000],
    [3, 4000],
    [4, 8000],
    [5, 16_000],
    [6, 32_000],
    [7, null],
    [100, null],
  ] as const)("after failed attempt %i comes %d ms or the end", ([attempts, delay]) => {
    expect(spawnRetryDelayMs(attempts, middle)).toBe(delay);
  });

  test("a longer Retry-After is respected, a shorter one does not hasten", () => {
    expect(spawnRetryDelayMs(1, middle, 5000)).toBe(5000);
    expect(spawnRetryDelayMs(6, middle, 5000)).toBe(32_000);
  });

  test("a Retry-After does not add an attempt", () => {
    expect(spawnRetryDelayMs(7, middle, 5000)).toBeNull();
  });
});

describe.for([
  ["terminations", terminationBackoff],
  ["image.pinned", pinnedBackoff],
  ["the event outbox", eventOutboxBackoff],
  ["following again", refollowBackoff],
] as const)("the retries of %s", ([, backoff]) => {
  test.for([
    [1, 1000],
    [2, 2000],
    [5, 16_000],
    [9, 256_000],
    [10, 300_000],
    [1000, 300_000],
    [5000, 300_000],
  ] as const)("after failed attempt %i comes %d ms", ([attempts, delay]) => {
    expect(backoffDelayMs(backoff, attempts, middle)).toBe(delay);
  });

  test("a Retry-After is respected up to five minutes", () => {
    expect(backoffDelayMs(backoff, 1, middle, 60_000)).toBe(60_000);
    expect(backoffDelayMs(backoff, 1, middle, 3_600_000)).toBe(300_000);
  });

  test("never hammers and never stops: each delay is from 0.8 s to 6 min", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), random, fc.nat(), (attempts, value, retryAfter) => {
        const delay = backoffDelayMs(backoff, attempts, value, retryAfter);
        expect(delay).toBeGreaterThanOrEqual(800);
        expect(delay).toBeLessThanOrEqual(360_000);
      }),
    );
  });
});

describe("the next alarm", () => {
  test.for([
    [[], null],
    [[null, undefined], null],
    [[5], 5],
    [[9, null, 3, undefined, 7], 3],
    [[0, 4], 0],
    [[null, -2, 0], -2],
  ] as const)("of %j is %j", ([times, first]) => {
    expect(earliest(times)).toBe(first);
  });

  test("is the smallest there is", () => {
    fc.assert(
      fc.property(fc.array(fc.integer(), { minLength: 1 }), (times) => {
        expect(earliest(times)).toBe(Math.min(...times));
      }),
    );
  });
});
