import { describe, expect, test } from "vitest";
import { isLate, orderOnArrival } from "../../../src/domain/pins/arrival.ts";

const at = (time: number, repository: string | null = "registry.example.com/acme/hello") => ({
  repository,
  at: time,
});

describe("a push is late", () => {
  test("where its registry says that it happened before the one that the tag stands on, and in no other case", () => {
    expect(isLate(at(1), at(2))).toBe(true);
    expect(isLate(at(2), at(2))).toBe(false);
    expect(isLate(at(3), at(2))).toBe(false);
    expect(isLate(null, at(2))).toBe(false);
    expect(isLate(at(1), null)).toBe(false);
    expect(isLate(at(1, "another.example.com/hello"), at(2))).toBe(false);
    expect(isLate(at(1, null), at(2))).toBe(false);
  });

  test("never because of a clock that was ahead, once its tag has moved", () => {
    const ahead = orderOnArrival(at(Date.UTC(2099)), 1_000);
    expect(ahead).toEqual(at(1_000));
    expect(isLate(orderOnArrival(at(1_500), 2_000), ahead)).toBe(false);
  });
});
